package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/unixsocket"
)

// socketName is the socket in the folder of recordings.
const socketName = "recorder.sock"

// answers reports whether a recorder accepts clients for the folder.
func answers(ctx context.Context, dir string) bool {
	endpoint, err := wire.ReadEndpoint(dir)
	if err != nil {
		return false
	}
	connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", endpoint.Socket)
	if err != nil {
		return false
	}
	_ = connection.Close() // it was only a test
	return true
}

// listen makes the socket, whose path it returns, and the endpoint file that names it. A socket that a crash left is
// replaced: the folder's lock guarantees that no recorder listens on it.
func (r *Recorder) listen(ctx context.Context) (listener net.Listener, path string, err error) {
	if path, err = unixsocket.Path(r.folder.Dir(), socketName); err != nil {
		return nil, "", err
	}
	if listener, err = unixsocket.Listen(ctx, path); err != nil {
		return nil, "", err
	}
	if err := r.writeEndpoint(path); err != nil {
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
	// Nobody listens on the socket after a loss of power, so the file needs no sync.
	return atomicfile.Write(filepath.Join(r.folder.Dir(), wire.EndpointName), data, atomicfile.Options{Mode: atomicfile.Private, Unsynced: true})
}

// removeEndpoint removes socket and endpoint file. The caller still holds the lock. If another folder has taken the
// place of this one, its files are not ours.
func (r *Recorder) removeEndpoint() error {
	if !r.isAt(r.folder.Dir()) {
		return nil
	}
	path, err := unixsocket.Path(r.folder.Dir(), socketName)
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
