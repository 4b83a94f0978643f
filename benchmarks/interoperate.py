"""Does each pipeline go on from where the other stopped?

    python benchmarks/interoperate.py STORE --work FOLDER

after ``compare_with_romancal.py``, whose products in the folder are used.  Each
line says what was tried and how far the result is from that of one pipeline
alone.  About 8 minutes and 6 GB, nearly all romancal's ramp fit and source catalogue.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import asdf
import numpy as np

RATE = ("dark", "assign_wcs", "photom", "flat_field")


def peer_main(store, source, target, *steps):
    """Run steps of romancal; this process imports nothing of roman_dms."""
    os.environ["CRDS_PATH"] = os.path.abspath(store)  # noqa: PTH100
    os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
    os.environ["CRDS_OBSERVATORY"] = "roman"
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    import logging

    import roman_datamodels.datamodels as rdm
    from romancal import step as peer

    logging.disable(logging.INFO)
    known = {
        "ramp_fit": peer.RampFitStep,
        "dark": peer.DarkCurrentStep,
        "assign_wcs": peer.AssignWcsStep,
        "photom": peer.PhotomStep,
        "flat_field": peer.FlatFieldStep,
        "flux": peer.FluxStep,
    }
    model = rdm.open(source)
    for name in steps:
        if name == "validate":
            model.validate()
            print(f"{type(model).__name__} valid")
        elif name == "source_catalog":
            catalog, segments = peer.SourceCatalogStep().run(model)
            print(f"{len(catalog.source_catalog)} sources, {int(np.max(segments.data))} segments")
        else:
            model = known[name]().run(model)
    if target != "-":
        model.save(target)


def main():
    import argparse

    from compare_with_romancal import RAMP_STEPS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    options = parser.parse_args()
    folder = options.work / "compare"
    mixed = folder / "mixed"
    mixed.mkdir(parents=True, exist_ok=True)
    ours = {
        path.stem.split("_f158_")[-1]: path for path in sorted((folder / "ours").glob("*.asdf"))
    }
    peer = {path.stem: path for path in sorted((folder / "peer").glob("*.asdf"))}

    def romancal(source, target, *steps):
        return tell(sys.executable, __file__, "peer", options.store, source, target, *steps)

    def rdms(*words):
        return tell(Path(sys.executable).parent / "rdms", *words)

    print("## Valid\n")
    for name, path in ours.items():
        print(f"- ours after `{name}`: {romancal(path, '-', 'validate')}; {rdms('validate', path)}")
    for name, path in peer.items():
        print(f"- romancal's after `{name}`: {rdms('validate', path)}")

    print("\n## Ours goes on from romancal's product\n")
    for name in (*RAMP_STEPS, "ramp_fit", "dark"):
        said = rdms("calibrate", peer[name], "-o", mixed, "--store", options.store, "--quiet")
        result = mixed / f"{peer[name].stem}_cal.asdf"
        print(f"- after `{name}`: {said}{unlike(result, ours['cal'], peer['flat_field'])}")
    done = rdms("calibrate", peer["flat_field"], "-o", mixed, "--store", options.store, "--quiet")
    print(f"- romancal's L2, to which the statistics are added: {done}")
    done = rdms("calibrate", ours["cal"], "-o", mixed, "--store", options.store, "--quiet")
    print(f"- our L2: {done}")

    print("\n## romancal goes on from our product\n")
    for name, steps in (("linearity", ("ramp_fit", *RATE)), ("ramp_fit", RATE)):
        target = mixed / f"romancal_after_{name}.asdf"
        said = romancal(ours[name], target, *steps)
        print(f"- after `{name}`: {said}{unlike(target, ours['cal'], peer['flat_field'])}")
    print(f"- flux of our L2: {romancal(ours['cal'], '-', 'flux', 'validate')}")
    for side, path in (("our", ours["cal"]), ("its own", peer["flat_field"])):
        print(
            f"- source catalogue of {side} L2: {romancal(path, '-', 'source_catalog')}", flush=True
        )


def tell(*command):
    """What a command printed last; its error where it failed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    lines = (done.stdout if done.returncode == 0 else done.stderr or done.stdout).strip()
    last = lines.splitlines()[-1].rsplit("/", 1)[-1] if lines else ""
    if done.returncode:
        return f"exit code {done.returncode}: {lines[-400:]}"
    return last or "done; "


def unlike(result, ours, peer):
    """How far a product is from that of ours alone and of romancal alone."""
    if not result.exists():
        return ""
    parts = []
    for name, path in (("ours", ours), ("romancal's", peer)):
        with asdf.open(result) as a, asdf.open(path) as b:
            dq, other = np.array(a["roman"]["dq"]), np.array(b["roman"]["dq"])
            delta = np.array(a["roman"]["data"]) - np.array(b["roman"]["data"])
            listed = [len(file["roman"]["jump_indices"]) for file in (a, b)]
        clean = (dq | other) == 0
        parts.append(
            f"from {name} alone {delta[clean].std():.1e} DN/s rms,"
            f" {np.abs(delta[clean]).max():.1e} at most, {np.count_nonzero(dq != other)} flags,"
            f" {listed[0]} jumps listed for {listed[1]}"
        )
    return "; ".join(parts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        peer_main(*sys.argv[2:])
    else:
        main()
