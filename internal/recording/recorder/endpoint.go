package recorder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// socketName is the socket in the folder of recordings.
const socketName = "recorder.sock"

// maxSocketPath is the longest path that a socket may have: sun_path holds 104 bytes on macOS and 108
// on Linux, with a zero at the end.
const maxSocketPath = 103

// bindName is the socket while it is made, in a folder of its own that nobody else may enter.
const bindName = ".bind/s"

// socketPath returns where the socket of the folder is: in it, or, where that path would be too
// long, in a folder of this user's own for such sockets.
func socketPath(dir string) (string, error) {
	if path := filepath.Join(dir, socketName); len(filepath.Join(dir, bindName)) <= maxSocketPath && len(path) <= maxSocketPath {
		return path, nil
	}
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base == "" || len(base) > 60 {
		base = os.TempDir()
	}
	private := filepath.Join(base, fmt.Sprintf("scout-%d", os.Getuid()))
	if err := privateFolder(private); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(private, hex.EncodeToString(sum[:8])), nil
}

// privateFolder makes sure that dir is a folder of this user that nobody else may enter.
func privateFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return scout.FileError(scout.CodeWriteFailed, "make folder for sockets", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "look at folder for sockets", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(stat.Uid) != os.Getuid() {
		return scout.Errorf(scout.CodeFilePermission, "folder for sockets %s: not a folder of this user alone", dir)
	}
	return nil
}

// answers tells whether a recorder accepts clients for the folder.
func answers(ctx context.Context, dir string) bool {
	endpoint, err := wire.ReadEndpoint(dir)
	if err != nil {
		return false
	}
	connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", endpoint.Socket)
	if err != nil {
		return false
	}
	_ = connection.Close() // it was only to see
	return true
}

// listen makes the socket, whose path it returns, and the endpoint file that names it. A socket that a crash left is
// replaced: the folder's lock says that nobody listens on it.
func (r *Recorder) listen(ctx context.Context) (listener net.Listener, path string, err error) {
	if path, err = socketPath(r.folder.Dir()); err != nil {
		return nil, "", err
	}
	private := filepath.Join(filepath.Dir(path), filepath.Dir(bindName))
	if filepath.Dir(path) != r.folder.Dir() {
		private = path + ".d"
	}
	if err := os.RemoveAll(private); err != nil {
		return nil, "", scout.FileError(scout.CodeWriteFailed, "make socket", err)
	}
	if err := privateFolder(private); err != nil {
		return nil, "", err
	}
	// Bound in a closed folder and moved when its mode is right, the socket is never open to others.
	bound := filepath.Join(private, filepath.Base(bindName))
	listener, err = new(net.ListenConfig).Listen(ctx, "unix", bound)
	if err != nil {
		return nil, "", scout.FileError(scout.CodeWriteFailed, "make socket", err)
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
	if err == nil {
		err = r.writeEndpoint(path)
	}
	if err != nil {
		return nil, "", errors.Join(scout.FileError(scout.CodeWriteFailed, "make socket", err), listener.Close())
	}
	return listener, path, nil
}

func (r *Recorder) writeEndpoint(socket string) error {
	if filepath.Dir(socket) == r.folder.Dir() {
		socket = filepath.Base(socket) // so that it moves with the folder
	}
	data, err := json.Marshal(wire.Endpoint{Protocol: wire.ProtocolVersion, PID: os.Getpid(), Socket: socket, StartedAt: r.began})
	if err != nil {
		return err
	}
	// Nobody listens on the socket after a loss of power, so that the file needs no sync.
	return atomicfile.Write(filepath.Join(r.folder.Dir(), wire.EndpointName), data, atomicfile.Options{Mode: atomicfile.Private, Unsynced: true})
}

// removeEndpoint takes socket and endpoint file away. The caller still holds the lock. Where another folder has taken the
// place of this one, what lies there is not ours.
func (r *Recorder) removeEndpoint() error {
	if !r.isAt(r.folder.Dir()) {
		return nil
	}
	path, err := socketPath(r.folder.Dir())
	if err != nil {
		return err
	}
	for _, p := range []string{path, filepath.Join(r.folder.Dir(), wire.EndpointName)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return scout.FileError(scout.CodeWriteFailed, "remove socket", err)
		}
	}
	return nil
}
