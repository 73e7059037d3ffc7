package browser

import (
	"context"
	"io"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// noteGap tells of a gap in the journal, beside whoever sends: a database that is locked must not keep sound back. The caller holds mu.
func (s *session) noteGap(gap scout.Gap) {
	s.untold = append(s.untold, gap)
	if s.telling {
		return
	}
	s.telling = true
	s.owner.running.Go(func() { // ends when every gap is told
		for {
			s.mu.Lock()
			if len(s.untold) == 0 {
				s.telling = false
				s.mu.Unlock()
				return
			}
			gap := s.untold[0]
			s.untold = s.untold[1:]
			s.mu.Unlock()
			s.owner.options.Note(context.WithoutCancel(s.owner.living), "recording.gap", string(s.id), map[string]any{"id": s.id, "start_frame": gap.Start, "frames": gap.Frames, "reason": gap.Reason})
		}
	})
}

// partBytes is the most that a stream gives at once.
const partBytes = 64 << 10

// Listen implements recording.Live: it gives the frames of a session as they come. They are read from the file, so that a slow reader costs
// no memory and misses nothing.
func (s *Sessions) Listen(_ context.Context, id recording.ID, from scout.Position) (recording.LiveStream, error) {
	one := s.find(id)
	if one == nil {
		return nil, scout.Errorf(scout.CodeNotRecording, "nobody sends recording %s", id)
	}
	reader, err := s.options.Folder.OpenAudio(id)
	if err != nil {
		return nil, err
	}
	size := one.format.FrameBytes()
	return &stream{session: one, reader: reader, at: from, buffer: make([]byte, partBytes/size*size), closed: make(chan struct{})}, nil
}

// stream is one listener to a session.
type stream struct {
	session *session
	reader  *recording.Reader
	at      scout.Position
	buffer  []byte
	once    sync.Once
	closed  chan struct{}
	mu      sync.Mutex // the reader is not closed while it reads
}

// Next implements recording.LiveStream.
func (st *stream) Next() (recording.LivePart, error) {
	s := st.session
	for {
		s.mu.Lock()
		frames, over, grown := scout.Position(s.writer.Frames()), s.closed, s.grown
		s.mu.Unlock()
		if frames > st.at {
			return st.read(frames)
		}
		if over {
			return recording.LivePart{}, io.EOF
		}
		select {
		case <-grown:
		case <-st.closed:
			return recording.LivePart{}, io.ErrClosedPipe
		}
	}
}

// read returns frames that are in the file.
func (st *stream) read(until scout.Position) (recording.LivePart, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	size := uint64(st.session.format.FrameBytes())
	n := min(until.Sub(st.at), uint64(len(st.buffer))/size)
	got, err := st.reader.ReadAt(st.at, st.buffer[:n*size])
	if err != nil {
		return recording.LivePart{}, err
	}
	part := recording.LivePart{Position: st.at, Frames: st.buffer[:uint64(got)*size]}
	st.at = st.at.Add(uint64(got))
	return part, nil
}

// Close implements recording.LiveStream.
func (st *stream) Close() (err error) {
	st.once.Do(func() {
		close(st.closed)
		st.mu.Lock()
		defer st.mu.Unlock()
		err = st.reader.Close()
	})
	return err
}
