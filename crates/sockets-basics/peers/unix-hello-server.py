"""The tutorials' hello server, with AF_UNIX in place of AF_INET.

python3 unix-hello-server.py [FILE]     the other end: sockets-basics unix-hello client --path FILE

Like the tutorials' programs it leaves its socket file behind: close() is not unlink().
"""
import socket
import sys

path = sys.argv[1] if len(sys.argv) > 1 else '/tmp/sockets-basics.sock'

sk = socket.socket(socket.AF_UNIX)  # 创建socket对象
sk.bind(path)                       # 把地址绑定到套接字
sk.listen()                         # 监听链接
print('listening on', path, flush=True)
conn, addr = sk.accept()            # 接受客户端链接
ret = conn.recv(1024)               # 接收客户端信息
print(ret, flush=True)              # 打印客户端信息
conn.send(b'hi')                    # 向客户端发送信息
conn.close()                        # 关闭客户端套接字
sk.close()                          # 关闭服务器套接字(可选)
