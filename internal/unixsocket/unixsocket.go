//go:build unix

// Package unixsocket makes sockets that only one user can reach, at paths of any length, and reports who is at the
// other end.
package unixsocket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
)

// maxPath is the longest path that a socket may have: sun_path holds 104 bytes on macOS and 108
// on Linux, with a zero at the end.
const maxPath = 103

// maxRuntimePath is the longest path of a runtime folder in which the sockets of this user fit.
const maxRuntimePath = 60

// A socket is bound in a folder of its own that nobody else may enter, and moved to its path when its mode is right:
// it is never open to others.
const (
	bindSuffix = ".d"
	bindName   = "s"
)

// answersWithin is how long Vacant waits for somebody who may be listening at its path.
const answersWithin = time.Second

// Path returns the path of the socket with that name for the folder: in the folder, or, if that path is too long, in a
// private folder of this user for such sockets, which it creates.
func Path(dir, name string) (string, error) {
	if path := filepath.Join(dir, name); len(bindFolder(path))+1+len(bindName) <= maxPath {
		return path, nil
	}
	private := filepath.Join(runtimeFolder(), fmt.Sprintf("scout-%d", os.Getuid()))
	if err := privateFolder(private); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(filepath.Join(dir, name)))
	return filepath.Join(private, hex.EncodeToString(sum[:8])), nil
}

// runtimeFolder returns where the folder for sockets is: XDG_RUNTIME_DIR, or the folder for temporary files if that
// variable names a long path or a folder of another user, as after su or in a container.
func runtimeFolder() string {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if info, err := os.Stat(base); err != nil || !info.IsDir() || !owned(info) || len(base) > maxRuntimePath {
		return os.TempDir()
	}
	return base
}

func bindFolder(path string) string { return path + bindSuffix }

// privateFolder makes sure that dir is a folder of this user that nobody else may enter.
func privateFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return scout.FileError(scout.CodeWriteFailed, "make folder for sockets", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "look at folder for sockets", err)
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !owned(info) {
		return scout.Errorf(scout.CodeFilePermission, "folder for sockets %s: not a folder of this user alone", dir)
	}
	return nil
}

// owned reports whether a file is this user's.
func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// Listen makes a socket with the mode 0600 at the path, which is from Path, in place of whatever is there: see Vacant. The
// caller knows, by a lock, that no other program of the same kind listens there. Closing the listener leaves the socket in
// place: see Remove.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	private := bindFolder(path)
	if err := os.RemoveAll(private); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make socket", err)
	}
	if err := privateFolder(private); err != nil {
		return nil, err
	}
	bound := filepath.Join(private, bindName)
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", bound)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make socket", err)
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	err = os.Chmod(bound, 0o600)
	if err == nil {
		// Not by atomicfile: it is a socket.
		err = os.Rename(bound, path)
	}
	if err == nil {
		err = os.Remove(private)
	}
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "make socket", err), listener.Close())
	}
	return listener, nil
}

// Vacant fails with scout.CodeSocketTaken if there is anything at the path but a socket of this user on which nobody
// listens, such as a crash leaves. The error says what is there.
func Vacant(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "look at the place of the socket", err)
	}
	refuse := func(what string) error {
		return scout.Errorf(scout.CodeSocketTaken, "cannot make the socket %s: %s", path, what)
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return refuse("a symbolic link is there, which Scout did not make")
	case info.Mode()&fs.ModeSocket == 0:
		return refuse("a file that is no socket is there, which Scout did not make")
	case !owned(info):
		return refuse("a socket of another user is there")
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = connection.Close() // it was only to see
		return refuse("another program listens there")
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return refuse("it cannot be told whether another program listens there: " + scout.Plain(err))
}

// Remove removes a socket. The caller still holds the lock that Listen asks for.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return scout.FileError(scout.CodeWriteFailed, "remove socket", err)
	}
	return nil
}
