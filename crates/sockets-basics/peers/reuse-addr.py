"""The tutorial's "地址重用": a server that may be started again at once.

python3 reuse-addr.py [PORT]            then: sockets-basics tcp-hello client 127.0.0.1:PORT

The tutorial shows the option after the client's code; it belongs to the server, before bind.
Without the marked line, start it a second time within a minute: OSError, errno 98.
"""
import socket
import sys
from socket import SOL_SOCKET, SO_REUSEADDR

port = int(sys.argv[1]) if len(sys.argv) > 1 else 8898

sk = socket.socket()
sk.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)  # 就是它，在bind前加
sk.bind(('127.0.0.1', port))
sk.listen()
print('listening on %s:%d' % sk.getsockname(), flush=True)
conn, addr = sk.accept()
ret = conn.recv(1024)
print(ret, flush=True)
conn.send(b'hi')
conn.close()  # 先关闭的一端进入TIME_WAIT
sk.close()
