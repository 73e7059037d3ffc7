package dictate

import (
	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
)

// covered reports whether every frame of a gap lies in others.
func covered(gaps []scout.Gap, g scout.Gap) bool {
	for at := g.Start; ; {
		from := at
		for _, one := range gaps {
			if one.Start <= at {
				at = max(at, one.End())
			}
		}
		if at >= g.End() {
			return true
		}
		if at == from {
			return false
		}
	}
}

// hasTold notes a gap that an earlier process told.
func (s *session) hasTold(e *event.Event) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if e.StartFrame != nil {
		s.told = append(s.told, scout.Gap{Start: scout.Position(*e.StartFrame), Frames: e.Frames, Reason: scout.GapReason(e.Reason)})
	}
}

// tellGaps tells the gaps of the recording that no process has told: the one before may have ended in between.
func (s *session) tellGaps() {
	m, err := s.from.folder.Manifest(s.id)
	if err != nil {
		return // there is nothing that it says
	}
	for i := range m.Gaps {
		s.gap(&m.Gaps[i])
	}
}
