"""The tutorials' hello client, with AF_UNIX in place of AF_INET.

python3 unix-hello-client.py [FILE]     the other end: sockets-basics unix-hello server --path FILE
"""
import socket
import sys

path = sys.argv[1] if len(sys.argv) > 1 else '/tmp/sockets-basics.sock'

sk = socket.socket(socket.AF_UNIX)  # 创建客户套接字
sk.connect(path)                    # 尝试连接服务器
sk.send(b'hello!')
ret = sk.recv(1024)                 # 对话(发送/接收)
print(ret)
sk.close()                          # 关闭客户套接字
