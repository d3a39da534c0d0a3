"""Run by an isolated interpreter: what it costs to load one function, or a bare DynamoDB client.

Arguments: the module to import, or `boto3`; the folders of the import path. Prints one JSON object: `ms` of processor
time, `modules` loaded. The standard library alone is at hand, so that nothing is loaded before the clock starts.
"""

import sys
import time


def main(module: str, *path: str) -> None:
    sys.path[:0] = path[:-1]
    sys.path.append(path[-1])
    before = len(sys.modules)
    began = time.process_time()
    if module == "boto3":
        import boto3

        boto3.client("dynamodb")
    else:
        __import__(module)
    taken = time.process_time() - began
    print(f'{{"ms": {taken * 1000:.3f}, "modules": {len(sys.modules) - before}}}')


if __name__ == "__main__":
    main(*sys.argv[1:])
