package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/outline"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// eventOutlineNotKept is an outline that is computed again when it is asked for again.
const eventOutlineNotKept = "outline_not_kept"

// outline is that of a recording: the one that was kept, or one that is computed now and kept once the recording has ended.
func (s *Server) outline(ctx context.Context, id recording.ID) (*outline.Outline, error) {
	folder := s.folderOf(id)
	m, err := folder.Manifest(id)
	if err != nil {
		return nil, err
	}
	if m.Upload != nil {
		if err := folder.Complete(&m); err != nil {
			return nil, recording.Unplaced(err, folder.AudioPath(id), "recording "+string(id))
		}
	}
	of := audioNow(folder, &m)
	if m.State != recording.StateRecording {
		if data, err := folder.Outline(id); err == nil {
			if kept, err := outline.Decode(data, of); err == nil {
				return kept, nil
			}
		}
	}
	return s.outlines.do(ctx, id, func(ctx context.Context) (o *outline.Outline, err error) {
		err = s.options.Failures.Guard("api", func() (err error) {
			s.metrics.outlines.Inc()
			if o, err = s.outlineOf(ctx, folder, &m); err != nil {
				return err
			}
			if m.State == recording.StateRecording || m.Upload == nil && o.Frames != m.Frames { // it goes on, or it is not all there
				return nil
			}
			data := o.Encode(of)
			notKept := s.services.Uploads.Room(int64(len(data))) // it is no reason to take what is kept free for the recorder
			if notKept == nil {
				notKept = folder.KeepOutline(id, data)
			}
			if notKept != nil {
				s.log.Warn(eventOutlineNotKept, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(notKept))), slog.String(observe.KeyError, scout.Plain(notKept)))
			}
			return nil
		})
		return o, err
	})
}

// audioNow names the audio of which an outline is: its checksum, and when its file was last written. Another program may have changed the bytes, which the
// manifest does not know, and to read all of them would take as long as a new outline.
func audioNow(folder *recording.Folder, m *recording.Manifest) string {
	info, err := os.Stat(folder.AudioPath(m.ID))
	if err != nil {
		return m.SHA256 // whoever reads it says what is wrong
	}
	return m.SHA256 + " " + strconv.FormatInt(info.ModTime().UnixNano(), 10)
}

// outlineOf computes the outline of a recording, in one pass.
func (s *Server) outlineOf(ctx context.Context, folder *recording.Folder, m *recording.Manifest) (*outline.Outline, error) {
	if m.Upload == nil {
		reader, err := folder.OpenAudio(m.ID)
		if err != nil {
			return nil, err
		}
		defer func() { _ = reader.Close() }() // it was only read
		return outlineOfFrames(ctx, reader)
	}
	reader, err := s.decode(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }() // it was only read
	format := recording.UploadFormat()
	o := outline.New(format.SampleRateHz, format.Channels)
	var samples [4096]float32
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		n, err := reader.Read(samples[:])
		o.Add(samples[:n])
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil {
			return nil, s.notDecoded(ctx, m.ID, err)
		}
	}
}

// outlineOfFrames computes the outline of what a recorder has written.
func outlineOfFrames(ctx context.Context, reader *recording.Reader) (*outline.Outline, error) {
	const block = 16384 // frames
	format := reader.Format()
	o := outline.New(format.SampleRateHz, format.Channels)
	total, err := reader.Frames()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, block*format.FrameBytes())
	samples := make([]float32, block*format.Channels)
	for o.Frames < total {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		n, err := reader.ReadAt(scout.Position(o.Frames), raw[:min(block, total-o.Frames)*uint64(format.FrameBytes())]) //nolint:gosec // of one frame
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		count := audio.Decode(samples, raw[:n*format.FrameBytes()], encodingOf(format.Sample))
		audio.Sanitize(samples[:count])
		o.Add(samples[:count])
	}
	return o, nil
}

// outlines are those that are being computed. The zero value is ready to use.
type outlines struct {
	mu  sync.Mutex
	all map[recording.ID]*underComputation
}

// underComputation is one of them, for everybody who asked meanwhile.
type underComputation struct {
	waiting int // who wants it
	end     context.CancelFunc
	done    chan struct{} // closed behind o and err
	o       *outline.Outline
	err     error
}

// do computes an outline once for everybody who wants it at the same time. It ends when nobody does any more, and not because the first one
// has gone; whoever goes last waits for that end.
func (l *outlines) do(ctx context.Context, id recording.ID, compute func(context.Context) (*outline.Outline, error)) (*outline.Outline, error) {
	l.mu.Lock()
	u := l.all[id]
	if u == nil {
		u = &underComputation{done: make(chan struct{})}
		var working context.Context
		working, u.end = context.WithCancel(context.WithoutCancel(ctx))
		if l.all == nil {
			l.all = make(map[recording.ID]*underComputation)
		}
		l.all[id] = u
		go func() { // ended by u.end; waited for by the last one who wants it
			defer close(u.done)
			u.o, u.err = compute(working)
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.all[id] == u {
				delete(l.all, id)
			}
		}()
	}
	u.waiting++
	l.mu.Unlock()
	select {
	case <-u.done:
	case <-ctx.Done():
	}
	l.mu.Lock()
	u.waiting--
	last := u.waiting == 0
	if last && l.all[id] == u {
		delete(l.all, id) // whoever comes next begins anew
	}
	l.mu.Unlock()
	if last {
		u.end()
		<-u.done
	}
	select {
	case <-u.done:
		if ctx.Err() == nil || u.err == nil {
			return u.o, u.err
		}
	default:
	}
	return nil, context.Cause(ctx)
}
