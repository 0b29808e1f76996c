# From the tutorial "SOCKET模块" (seed 002, "client端 -- 这是一个聊天的").
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
import sys
import socket

host, port = (sys.argv[1:] or ['127.0.0.1:7777'])[0].rsplit(':', 1)

# 第一步定义socker
# 连接端口
# 发送信息
so = socket.socket()
so.connect((host, int(port)))
while True:
    info = input('>>>')
    so.send(bytes(info,encoding='UTF-8'))
    ret = so.recv(4096).decode('UTF-8')
    print(ret)
    if ret == 'bye':        # 如果是等于bye 那么就会退出循环，并且会关闭连接
        print('聊天结束')
        so.send(bytes('bye', encoding='UTF-8'))
        so.close()
        break
    else:
        continue
# 整个程序的结构就是判断接收的值，是不是bye是的话，那么就会退出聊天。不然的就会继续执行
