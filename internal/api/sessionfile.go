package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/observe"
)

// eventSessionsLost is logged where the file of the sessions could not be read or written.
const eventSessionsLost = "sessions_not_kept"

// maxSessionsFile is more than all keys can have sessions for; a larger file is not ours.
const maxSessionsFile = 8 << 20

// keptSession is a session in the file. The cookie itself is nowhere: who has the file cannot use it.
type keptSession struct {
	Hash  string    `json:"sha256"`
	Key   string    `json:"key,omitempty"` // absent for the owner
	Until time.Time `json:"until"`
}

// keptSessions is the file of the sessions.
type keptSessions struct {
	Version  int           `json:"version"`
	Sessions []keptSession `json:"sessions"`
}

// keepIn has the sessions kept in a file, so that they outlive the daemon, and reads those that are there. A file that is damaged counts as none:
// people open the page again.
func (s *sessions) keepIn(path string, log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path, s.log = path, log
	all, err := readSessions(path, time.Now())
	if err != nil {
		log.Warn(eventSessionsLost, slog.String("action", "read"), slog.String(observe.KeyReason, scout.Plain(err)))
	}
	s.all = all
}

// readSessions reads the sessions whose time is not over. None lasts longer than a new one, whatever the clock was that made it.
func readSessions(path string, now time.Time) (map[secretHash]session, error) {
	all := make(map[secretHash]session)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return all, nil
	case err != nil:
		return all, scout.FileError(scout.CodeReadFailed, "read "+path, err)
	case !info.Mode().IsRegular() || info.Size() > maxSessionsFile:
		return all, scout.Errorf(scout.CodeReadFailed, "%s is no file of sessions", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return all, scout.FileError(scout.CodeReadFailed, "read "+path, err)
	}
	var kept keptSessions
	if err := json.Unmarshal(data, &kept); err != nil || kept.Version != 1 {
		return all, scout.Errorf(scout.CodeReadFailed, "%s is damaged, or of another version of Scout", path)
	}
	for _, one := range kept.Sessions {
		hash, err := hex.DecodeString(one.Hash)
		if err != nil || len(hash) != len(secretHash{}) {
			return make(map[secretHash]session), scout.Errorf(scout.CodeReadFailed, "%s is damaged", path)
		}
		found := session{one.Key, one.Until}
		if most := now.Add(sessionLasts); found.until.After(most) {
			found.until = most
		}
		if now.Before(found.until) {
			all[secretHash(hash)] = found
		}
	}
	return all, nil
}

// write keeps the sessions as they are now. The caller holds the lock.
func (s *sessions) write() error {
	if s.path == "" {
		return nil
	}
	kept := keptSessions{Version: 1, Sessions: make([]keptSession, 0, len(s.all))}
	for hash, one := range s.all {
		if !one.over() {
			kept.Sessions = append(kept.Sessions, keptSession{hex.EncodeToString(hash[:]), one.key, one.until.UTC().Round(0)})
		}
	}
	slices.SortFunc(kept.Sessions, func(a, b keptSession) int { return strings.Compare(a.Hash, b.Hash) })
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", " ")
	err := encoder.Encode(kept)
	if err == nil {
		err = atomicfile.Write(s.path, out.Bytes(), atomicfile.Options{Mode: 0o600})
	}
	if err != nil {
		err = fmt.Errorf("keep the sessions of browsers: %w", err)
		s.log.Warn(eventSessionsLost, slog.String("action", "write"), slog.String(observe.KeyReason, scout.Plain(err)))
	}
	return err
}
