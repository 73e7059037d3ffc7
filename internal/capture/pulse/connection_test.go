package pulse

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// A server that ends in the middle of a list: the library must see the end, not half of a message.
func TestOnlyWholeMessagesAreHandedOver(t *testing.T) {
	t.Parallel()
	ours, servers := net.Pipe()
	conn := &dyingConn{Conn: ours, dead: make(chan struct{}), writes: make(chan struct{}, 1)}
	message := func(size int, sent int) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(size))
		return append(b, make([]byte, headerBytes-4+sent)...)
	}
	go func() { // ends with what it sends
		for _, part := range [][]byte{message(5, 5), message(0, 0), message(1000, 400)} {
			_, _ = servers.Write(part) // the other side reads all of it or fails the test
		}
		_ = servers.Close() // the end that is tested
	}()
	all, err := io.ReadAll(conn)
	if err == nil || len(all) != 2*headerBytes+5 {
		t.Errorf("%d bytes handed over, %v", len(all), err)
	}
	select {
	case <-conn.dead:
	case <-time.After(time.Second):
		t.Error("the end was not told")
	}
}

func TestAbsurdMessagesAreRefused(t *testing.T) {
	t.Parallel()
	ours, servers := net.Pipe()
	conn := &dyingConn{Conn: ours, dead: make(chan struct{}), writes: make(chan struct{}, 1)}
	go func() { // ends with what it sends
		_, _ = servers.Write(append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, headerBytes-4)...)) // read or failed below
		_ = servers.Close()                                                                          // nothing follows
	}()
	if n, err := conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes of a message of 4 GiB", n)
	}
}
