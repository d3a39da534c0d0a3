"""The layer of the lake's functions: pyarrow without what reading and writing Parquet does without, or it would be over
Lambda's limits."""

import re
from pathlib import Path, PurePosixPath

import pulumi
import pulumi_aws as aws

from . import bundle
from .handles import Handle
from .scope import Scope

REQUIREMENTS = Path(__file__).resolve().parent / "lambda_requirements_lake.txt"

_OTHER_FORMATS = "csv|cuda|dataset|dataset_orc|dataset_parquet|dataset_parquet_encryption|feather|json|orc|substrait"
_OTHER_PLACES = "azurefs|flight|gcsfs|hdfs|s3fs"
_MODULES = f"_({_OTHER_FORMATS}|{_OTHER_PLACES}|acero|parquet_encryption|pyarrow_cpp_tests)"
_UNNEEDED = re.compile(
    rf"{_MODULES}\.[^/]*so|lib(arrow_flight|arrow_python_flight|arrow_s3|arrow_python_parquet_encryption)\.so.*"
    r"|libarrow_python\.so(\.\d+\.\d+\.\d+)?"  # the same again, by its other names
    r"|.*\.(pyx|pxd|pxi|h|hpp|cc|cpp|cmake)"
)
_FOLDERS = frozenset({"include", "src", "tests", "includes"})


def layer(target: bundle.Target) -> Path:
    """Its zip, or the one in the cache."""
    return bundle.layer(target, REQUIREMENTS, bundle.Trimming(f"{_UNNEEDED.pattern} {sorted(_FOLDERS)}", unneeded))


def version(scope: Scope, bucket: aws.s3.Bucket, domain: Handle, zipped: Path) -> aws.lambda_.LayerVersion:
    """Lambda takes no zip over 50 MB but from a bucket; the object's name tells one content from another."""
    stored = aws.s3.BucketObjectv2(
        scope.child("layer-zip"),
        bucket=bucket.bucket,
        key=f"layers/{zipped.name}",
        source=pulumi.FileAsset(str(zipped)),
        opts=scope.options(),
    )
    return aws.lambda_.LayerVersion(
        scope.child("layer"),
        layer_name=f"{pulumi.get_project()}-{pulumi.get_stack()}-{scope.child('layer')}",
        s3_bucket=stored.bucket,
        s3_key=stored.key,
        compatible_runtimes=[domain["runtime"]],
        compatible_architectures=[domain["architecture"]],
        opts=scope.options(),
    )


def unneeded(path: PurePosixPath) -> bool:
    """Whether a file or folder, relative to the site-packages, is left out."""
    if path.parts[0] != "pyarrow" or len(path.parts) == 1:
        return False
    return path.parts[1] in _FOLDERS or _UNNEEDED.fullmatch(path.name) is not None
