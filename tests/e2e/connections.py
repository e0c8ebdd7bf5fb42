"""Connections of what stands between the agent and others."""
import socket


def accepted(listener):
    """Each that comes, until the listener is closed."""
    while True:
        try:
            yield listener.accept()[0]
        except OSError:
            return


def cut(sockets):
    """Who is gone already does not mind."""
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
