"""Ports that are one scenario's alone.

One that was free a moment ago is soon given to somebody else, to a server of a scenario beside
this one or to the near end of any connection. These stay bound, so that they are nobody's until
this process ends: nobody listens there, but for who asks for the port by its number with
SO_REUSEADDR or SO_REUSEPORT, as servers do."""
import socket

HELD = []


def free_port():
    holder = socket.socket()
    HELD.append(holder)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        holder.setsockopt(socket.SOL_SOCKET, option, 1)
    holder.bind(("0.0.0.0", 0))  # so nobody has it on any address
    return holder.getsockname()[1]
