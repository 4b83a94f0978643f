"""The Wide Field Instrument in numbers, each with its unit and source."""
