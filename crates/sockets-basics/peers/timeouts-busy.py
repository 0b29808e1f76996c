# A server that never accepts, with a full queue: what a client sees of it is the `--connect` of the
# lesson timeouts. Linux only: other systems answer the call that finds no room.
# Not in the tutorials, whose client has no deadline. The address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)
address = (host, int(port))

server = socket.socket()
server.bind(address)
server.listen(0)

callers = []
while True:
    caller = socket.socket()
    caller.settimeout(0.3)
    try:
        caller.connect(address)
    except TimeoutError:
        break
    callers.append(caller)              # kept, or it would leave the queue
print('the queue is full', flush=True)

server.settimeout(None)
sys.stdin.read()                        # until the terminal is closed
