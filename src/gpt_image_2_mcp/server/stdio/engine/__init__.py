"""The engine: the full server in a process of its own, which the client that started the program cannot kill.

Clients end stdin and kill the server a few seconds later, while a picture takes minutes. So the process that the client
started, the front, only answers the handshake and then passes lines on. At the first message that needs more, it forks
the engine into a session of its own and connects it by a socket pair: nothing lies in the file system, no other process
can connect, and the engine has the rights, the environment and the sandbox of the front.

- `fork` starts the engine, and says why it cannot be started in some places.
- `front` is what the front does from then on. It imports the standard library only.
- `control` is the engine's side: it tells the front that it is ready, what to keep for the next engine, and that it is
  idle.
- `log` is where the engine writes what it would write to stderr, once the front is gone.

An idle engine ends and its memory is free; the front stays, and starts another one when it is needed. Lines that begin
with `#` are between the two of them: no message of the protocol does.
"""
