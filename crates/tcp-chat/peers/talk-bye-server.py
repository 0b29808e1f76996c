# From the tutorial "SOCKET模块" (seed 002, "server端 -- 这是一个聊天的").
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
import sys
import socket

host, port = (sys.argv[1:] or ['127.0.0.1:7777'])[0].rsplit(':', 1)

# 第一步定义socker
# 第二步绑定自己的端口
# 第三步监听自己的端口
# 第四步接收别人地址和端口
# 第五步接受别人传输过来的值
# 第六步可以发送信息给别人
# 关闭连接
so = socket.socket()
so.bind((host, int(port)))
so.listen()
ip, port = so.accept()  # 接收connection连接，address地址
while True:
    ret = ip.recv(4096).decode('UTF-8')
    if  ret == 'bye':
        print('聊天结束')
        print("hello world")
        ip.send(bytes('OK!bye',encoding='UTF-8'))
        so.close()
        break
    else:
        print(ret)
        info = input('>>>>')
        ip.send(bytes(info,encoding='UTF-8'))
# 整个程序的结构就是判断接收的值，是不是bye是的话，那么就会退出聊天。不然的就会继续执行
