"""What the library costs, beside the raw driver doing the same to the same rows in the same run.

    make bench                                    everything but the long ones, some ten minutes
    make bench ARGS="--quick"                     a first look, about a minute
    make bench ARGS="--only postgresql drain"     one database, one measurement
    make bench ARGS="--large --json figures.json" also a million jobs waiting, and ten million finished

`measurements` and `backlog` say what is measured, `raw` is what it is compared with, `worker` is the process that runs the
jobs, `report` holds the bars. Machines are noisy: ours and raw take turns, and what counts is the median of their ratios.
"""
