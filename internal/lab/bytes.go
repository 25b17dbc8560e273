package lab

import "encoding/binary"

// native is the byte order of netlink headers.
var native = binary.NativeEndian
