# SPDX-License-Identifier: GPL-2.0-or-later
"""A small VNC (RFB 3.8) client: raw pictures, keys, pointer, pseudo
encodings.  Standard library only."""

import socket
import struct

RAW, COPY, HEXTILE, ZLIB, TIGHT, ZRLE = 0, 1, 5, 6, 7, 16
RESIZE, EXT_SIZE, LAST_RECT = -223, -308, -224
EXT_KEY, POINTER_TYPE, LEDS = -258, -257, -261


def des_block(key, data):
    """One block of DES (FIPS 46-3), bit lists kept short and slow."""
    ip = [58 + 2 * (i // 8) - 8 * (i % 8) for i in range(32)]
    ip += [57 + 2 * (i // 8) - 8 * (i % 8) for i in range(32)]
    fp = [0] * 64
    for i, v in enumerate(ip):
        fp[v - 1] = i + 1
    e = [((4 * r + c - 1) % 32) + 1 for r in range(8) for c in range(6)]
    p = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8,
         24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25]
    pc1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59,
           51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63, 55, 47, 39, 31, 23,
           15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13,
           5, 28, 20, 12, 4]
    pc2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8,
           16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33,
           48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
    s = ["e4d12fb83a6c59070f74e2d1a6cb9538"
         "41e8d62bfc973a50fc8249175b3ea06d",
         "f18e6b34972dc05a3d47f28ec01a69b5"
         "0e7ba4d158c6932fd8a13f42b67c05e9",
         "a09e63f51dc7b428d709346a285ecbf1"
         "d6498f30b12c5ae71ad069874fe3b52c",
         "7de3069a1285bc4fd8b56f03472c1ae9"
         "a690cb7df13e52843f06a1d8945bc72e",
         "2c417ab6853fd0e9eb2c47d150fa3986"
         "421bad78f9c5630eb8c71e2d6f09a453",
         "c1af92680d34e75baf427c9561de0b38"
         "9ef528c3704a1db6432c95fabe17608d",
         "4b2ef08d3c975a61d0b7491ae35c2f86"
         "14bdc37eaf6805926bd814a7950fe23c",
         "d2846fb1a93e50c71fd8a374c56b0e92"
         "7b419ce206adf35821e74a8dfc90356b"]
    boxes = [[int(ch, 16) for ch in row] for row in s]

    def bits(b):
        return [b[i // 8] >> (7 - i % 8) & 1 for i in range(len(b) * 8)]

    k = [bits(key)[i - 1] for i in pc1]
    c, d = k[:28], k[28:]
    x = [bits(data)[i - 1] for i in ip]
    left, right = x[:32], x[32:]
    for n in range(16):
        shift = 1 if n in (0, 1, 8, 15) else 2
        c, d = c[shift:] + c[:shift], d[shift:] + d[:shift]
        sub = [(c + d)[i - 1] for i in pc2]
        t = [right[i - 1] ^ j for i, j in zip(e, sub)]
        out = []
        for i in range(8):
            b = t[6 * i:6 * i + 6]
            row = b[0] * 2 + b[5]
            col = b[1] * 8 + b[2] * 4 + b[3] * 2 + b[4]
            v = boxes[i][row * 16 + col]
            out += [v >> 3 & 1, v >> 2 & 1, v >> 1 & 1, v & 1]
        left, right = right, [a ^ out[i - 1] for a, i in zip(left, p)]
    y = right + left
    y = [y[i - 1] for i in fp]
    return bytes(sum(y[8 * i + j] << (7 - j) for j in range(8))
                 for i in range(8))


def answer(challenge, password):
    """The response of VNC authentication: keys have their bits reversed."""
    raw = password.encode()[:8].ljust(8, b"\0")
    key = bytes(int(f"{b:08b}"[::-1], 2) for b in raw)
    return des_block(key, challenge[:8]) + des_block(key, challenge[8:])


class Refused(Exception):
    pass


class Rfb:
    def __init__(self, address, password=None, shared=True, encodings=None,
                 timeout=20, version=b"RFB 003.008\n", tls=None, sasl=None):
        if isinstance(address, socket.socket):
            self.sock = address
        elif isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout)
        self.sock.settimeout(timeout)
        self.ext_key = self.absolute = False
        self.tls, self.sasl = tls, sasl
        self.leds = None
        self.cut = None
        self.updates = 0
        assert self.read(12) == b"RFB 003.008\n"
        self.sock.sendall(version)
        self.security(password, version)
        self.sock.sendall(bytes([shared]))
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.server_format = self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        self.fb = bytearray(self.width * self.height * 4)
        if encodings is None:
            encodings = [RAW, RESIZE, EXT_KEY, POINTER_TYPE, LEDS]
        self.set_encodings(encodings)

    def security(self, password, version):
        if version == b"RFB 003.003\n":
            kind = struct.unpack(">I", self.read(4))[0]
        else:
            n = self.read(1)[0]
            kinds = self.read(n)
            kind = kinds[0] if n else 0
            self.sock.sendall(bytes([kind]))
        if kind == 19:
            kind = self.vencrypt()
        if kind == 20:
            self.sasl_plain()
        elif kind == 2:
            self.sock.sendall(answer(self.read(16), password or ""))
        elif kind != 1:
            raise Refused(f"security type {kind}")
        if kind != 1 or version == b"RFB 003.008\n":
            if struct.unpack(">I", self.read(4))[0]:
                if version != b"RFB 003.008\n":
                    raise Refused("no")
                n = struct.unpack(">I", self.read(4))[0]
                raise Refused(self.read(n).decode())

    def vencrypt(self):
        """VeNCrypt 0.2; returns the security type under TLS."""
        assert self.read(2) == b"\0\2"
        self.sock.sendall(b"\0\2")
        assert self.read(1) == b"\0"
        n = self.read(1)[0]
        kinds = struct.unpack(f">{n}I", self.read(4 * n))
        self.sock.sendall(struct.pack(">I", kinds[0]))
        if self.read(1) != b"\1":
            raise Refused("VeNCrypt")
        self.sock = self.tls.wrap_socket(self.sock, server_hostname="localhost")
        return {257: 1, 260: 1, 258: 2, 261: 2, 263: 20, 264: 20}[kinds[0]]

    def sasl_plain(self):
        n = struct.unpack(">I", self.read(4))[0]
        self.mechs = self.read(n).decode().split(",")
        user, password = self.sasl
        data = f"\0{user}\0{password}\0".encode()
        self.sock.sendall(struct.pack(">I", 5) + b"PLAIN" +
                          struct.pack(">I", len(data)) + data)
        try:
            self.read(struct.unpack(">I", self.read(4))[0])
            if self.read(1) != b"\1":
                raise Refused("SASL")
        except EOFError:
            raise Refused("SASL")

    def read(self, n):
        out = bytearray()
        while len(out) < n:
            got = self.sock.recv(min(n - len(out), 1 << 20))
            if not got:
                raise EOFError("server closed the connection")
            out += got
        return bytes(out)

    def set_encodings(self, encodings):
        self.sock.sendall(struct.pack(">BxH", 2, len(encodings)) +
                          b"".join(struct.pack(">i", e) for e in encodings))

    def request(self, incremental=True, rect=None):
        x, y, w, h = rect or (0, 0, self.width, self.height)
        self.sock.sendall(struct.pack(">BBHHHH", 3, incremental, x, y, w, h))

    def key(self, down, sym, code=None):
        if code is None:
            self.sock.sendall(struct.pack(">BBxxI", 4, down, sym))
        else:
            self.sock.sendall(struct.pack(">BBHII", 255, 0, down, sym, code))

    def press(self, sym, code=None):
        self.key(1, sym, code)
        self.key(0, sym, code)

    def pointer(self, x, y, buttons=0):
        self.sock.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def message(self):
        """Reads one message; True if it was an update with pixels."""
        kind = self.read(1)[0]
        if kind == 2:
            return False
        if kind == 3:
            self.cut = self.read(struct.unpack(">xxxI", self.read(7))[0])
            return False
        assert kind == 0, kind
        pixels = False
        for _ in range(struct.unpack(">xH", self.read(3))[0]):
            x, y, w, h, enc = struct.unpack(">HHHHi", self.read(12))
            if enc == RAW:
                data = self.read(w * h * 4)
                for row in range(h):
                    at = ((y + row) * self.width + x) * 4
                    self.fb[at:at + w * 4] = data[row * w * 4:(row + 1) * w * 4]
                pixels = True
            elif enc in (RESIZE, EXT_SIZE):
                if enc == EXT_SIZE:
                    self.size_reason = (x, y)
                    self.read(4 + 16 * self.peek_screens())
                if enc == RESIZE or x == 0:
                    self.width, self.height = w, h
                    self.fb = bytearray(w * h * 4)
            elif enc == EXT_KEY:
                self.ext_key = True
            elif enc == POINTER_TYPE:
                self.absolute = bool(x)
            elif enc == LEDS:
                self.leds = self.read(1)[0]
            else:
                raise ValueError(f"encoding {enc}")
        self.updates += pixels
        return pixels

    def peek_screens(self):
        return self.sock.recv(1, socket.MSG_PEEK)[0]

    def refresh(self, incremental=False):
        """Asks, and reads up to the next update with pixels."""
        size = (self.width, self.height)
        self.request(incremental)
        while not self.message():
            if size != (self.width, self.height):
                size = (self.width, self.height)
                self.request(False)
        return self

    def rgb(self):
        out = bytearray(self.width * self.height * 3)
        out[0::3] = self.fb[2::4]
        out[1::3] = self.fb[1::4]
        out[2::3] = self.fb[0::4]
        return bytes(out)

    def save_ppm(self, path):
        with open(path, "wb") as f:
            f.write(b"P6\n%d %d\n255\n" % (self.width, self.height))
            f.write(self.rgb())

    def close(self):
        self.sock.close()
