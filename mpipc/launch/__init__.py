"""Starting programs, with what is to hold for them before any code of theirs runs.

program.py   starts the launcher, and says why when it cannot start the program
launcher.py  runs in the new process, restricts it, and becomes the program
sandbox.py   `mpipc.Sandbox`: what a program may do
landlock.py  what the launcher needs for that: which files and ports,
seccomp.py   and which system calls
"""
