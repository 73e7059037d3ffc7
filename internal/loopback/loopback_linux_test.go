package loopback_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/loopback"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { os.Exit(testrun.Contain(m).Run()) }

// ways are the two in which User finds out, and whether this system has them.
func ways(t *testing.T) map[string]func(client, server netip.AddrPort) (int, error) {
	t.Helper()
	all := map[string]func(client, server netip.AddrPort) (int, error){"user": loopback.User, "list": loopback.List}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_INET_DIAG)
	if err != nil {
		t.Logf("the kernel cannot be asked here: %v", err)
		return all
	}
	_ = unix.Close(fd) // it was only to see
	all["ask"] = loopback.Ask
	return all
}

// connected is a connection within this machine: the client's end, and what the server sees.
func connected(t *testing.T, network, address string) (client net.Conn, from, to netip.AddrPort) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	defer func() { _ = listener.Close() }() // one connection is enough
	client, err = net.Dial(network, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })                                                // the test is over
	return client, server.RemoteAddr().(*net.TCPAddr).AddrPort(), server.LocalAddr().(*net.TCPAddr).AddrPort() //nolint:forcetypeassert,errcheck // a connection of TCP
}

func TestAConnectionIsOfWhoMadeIt(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			client, from, to := connected(t, network, address)
			for way, find := range ways(t) {
				if uid, err := find(from, to); err != nil || uid != os.Getuid() {
					t.Errorf("%s: %d, %v; want %d", way, uid, err, os.Getuid())
				}
				if uid, err := find(to, netip.AddrPortFrom(to.Addr(), 1)); err == nil {
					t.Errorf("%s: a connection that nobody made is of %d", way, uid)
				}
			}
			if err := client.Close(); err != nil { // the server has not noticed
				t.Fatal(err)
			}
			for way, find := range ways(t) {
				if uid, err := find(from, to); err == nil {
					t.Errorf("%s: a client that is gone counts as %d", way, uid)
				}
			}
		})
	}
}

// A port is no boundary between users; that is what User is for.
func TestAnotherUserIsSeen(t *testing.T) { // not parallel: the process that it starts has a copy of all connections for a moment
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	const other = 65534
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // the test is over
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	shell := exec.Command("/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port+" && cat <&3")
	shell.Dir = "/"
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other, NoSetGroups: true}}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	from, to := server.RemoteAddr().(*net.TCPAddr).AddrPort(), server.LocalAddr().(*net.TCPAddr).AddrPort() //nolint:forcetypeassert,errcheck // a connection of TCP
	for way, find := range ways(t) {
		if uid, err := find(from, to); err != nil || uid != other {
			t.Errorf("%s: %d, %v; want %d", way, uid, err, other)
		}
	}
	if err := errors.Join(server.Close(), shell.Wait()); err != nil {
		t.Error(err)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"", strings.Repeat("\x00", 20), strings.Repeat("\x14", 100), "\x24\x00\x00\x00\x02\x00" + strings.Repeat("\xff", 30)} {
		f.Add([]byte(seed))
	}
	client, server := netip.MustParseAddrPort("127.0.0.1:40000"), netip.MustParseAddrPort("127.0.0.1:7268")
	f.Fuzz(func(t *testing.T, answer []byte) {
		if _, err := loopback.Read(answer, client, server); err == nil && len(answer) < 88 {
			t.Errorf("an answer of %d bytes says who it is", len(answer))
		}
	})
}

// The two ways beside each other: the list grows with the connections of the machine.
func BenchmarkUser(b *testing.B) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // the benchmark is over
	client, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = client.Close() }()                                                                   // as above
	from, to := client.LocalAddr().(*net.TCPAddr).AddrPort(), client.RemoteAddr().(*net.TCPAddr).AddrPort() //nolint:forcetypeassert,errcheck // a connection of TCP
	for way, find := range map[string]func(client, server netip.AddrPort) (int, error){"ask": loopback.Ask, "list": loopback.List} {
		b.Run(way, func(b *testing.B) {
			for b.Loop() {
				if _, err := find(from, to); err != nil {
					b.Skip(err)
				}
			}
		})
	}
}
