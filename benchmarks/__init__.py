"""What Foldstack costs, each figure beside its peer's or the physical limit's, taken in turns in the same run.

python -m benchmarks commands [--json]      throughput, processor time and capacity units of commands
python -m benchmarks rebuild [--json]       a view built anew: speed, processor time, commands meanwhile, memory
python -m benchmarks coldstart [--json]     imports from the bundle, the program, `local up`
"""
