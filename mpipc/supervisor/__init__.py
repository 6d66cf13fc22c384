"""Running the processes that a program consists of.

component.py   what a user says of each: `mpipc.Component`
runner.py      the life of one: a thread that starts its process, watches it and starts it again
notify.py      what a process says of itself, as to systemd
supervisor.py  all of them together: `mpipc.Supervisor`
"""
