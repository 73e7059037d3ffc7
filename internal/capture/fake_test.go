package capture_test

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

// faultySystem is a sound system whose device fails as told, in the time of a synctest bubble. Its
// device hears the coded signal: at each moment the frame that belongs to that moment, whether anybody
// listens or not. So a recording shows where its time is true.
type faultySystem struct {
	rate   int
	epoch  time.Time
	speed  float64 // of the device's clock
	states chan sound.System

	mu        sync.Mutex
	openErr   error
	mute      bool // opened streams deliver nothing
	streams   []*faultyStream
	jitter    time.Duration // how late every third block comes
	closeHang chan struct{} // where set, Close waits for it
	openHang  chan struct{} // where set, Open waits for it, whatever its context says
	startHang chan struct{} // the same for Start
	torn      bool          // each block ends with a part of a frame
	opens     int
}

func newFaultySystem(rate int) *faultySystem {
	return &faultySystem{rate: rate, epoch: time.Now(), speed: 1, states: make(chan sound.System, 10)}
}

func (f *faultySystem) Name() string { return "faulty" }

func (f *faultySystem) Devices(context.Context) ([]sound.Device, error) {
	return []sound.Device{{ID: "faulty", Name: "Faulty", Default: true}}, nil
}

func (f *faultySystem) Watch(ctx context.Context) <-chan sound.System { return f.states }

func (f *faultySystem) Open(ctx context.Context, id string, sink func(sound.Format) (sound.Sink, error), _ sound.OpenOptions) (sound.Stream, error) {
	f.mu.Lock()
	hang := f.openHang
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens++
	if f.openErr != nil {
		return nil, f.openErr
	}
	target, err := sink(f.format())
	if err != nil {
		return nil, err
	}
	s := &faultyStream{system: f, sink: target, stop: make(chan struct{})}
	f.streams = append(f.streams, s)
	return s, nil
}

func (f *faultySystem) format() sound.Format {
	return sound.Format{SampleRateHz: f.rate, Channels: 1, Encoding: audio.Int16, Sample: audio.Int16.String()}
}

// position is the frame that the device hears now.
func (f *faultySystem) position() uint64 {
	return uint64(time.Since(f.epoch).Seconds() * float64(f.rate) * f.speed)
}

// set changes the system under its lock.
func (f *faultySystem) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// each changes all open streams.
func (f *faultySystem) each(change func(*faultyStream)) {
	f.mu.Lock()
	streams := append([]*faultyStream(nil), f.streams...)
	f.mu.Unlock()
	for _, s := range streams {
		s.mu.Lock()
		change(s)
		s.mu.Unlock()
	}
}

// faultyStream delivers blocks of 10 ms.
type faultyStream struct {
	system *faultySystem
	sink   sound.Sink
	stop   chan struct{}
	ended  sync.WaitGroup

	mu   sync.Mutex
	held bool   // what is heard now is delivered later, at once
	deaf bool   // what is heard now is lost
	next uint64 // frame to deliver
}

func (s *faultyStream) Device() sound.Device {
	return sound.Device{ID: "faulty", Name: "Faulty", Default: true}
}
func (s *faultyStream) Format() sound.Format  { return s.system.format() }
func (s *faultyStream) Name() string          { return "" }
func (s *faultyStream) RealTime() bool        { return true }
func (s *faultyStream) Done() <-chan struct{} { return nil }

func (s *faultyStream) Start(context.Context) error {
	s.system.mu.Lock()
	hang := s.system.startHang
	s.system.mu.Unlock()
	if hang != nil {
		<-hang
	}
	s.next = s.system.position()
	s.ended.Go(s.play)
	return nil
}

func (s *faultyStream) Close() error {
	s.system.mu.Lock()
	hang := s.system.closeHang
	s.system.mu.Unlock()
	if hang != nil {
		<-hang
	}
	close(s.stop)
	s.ended.Wait()
	return nil
}

func (s *faultyStream) play() {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		s.system.mu.Lock()
		jitter, mute, torn := s.system.jitter, s.system.mute, s.system.torn
		s.system.mu.Unlock()
		if jitter > 0 && i%3 == 0 {
			time.Sleep(jitter)
		}
		s.mu.Lock()
		until := max(s.system.position(), s.next)
		switch {
		case s.deaf || mute:
			s.next = until
		case !s.held:
			block := make([]byte, 0, 2*(until-s.next))
			for ; s.next < until; s.next++ {
				block = binary.LittleEndian.AppendUint16(block, uint16(virtual.Coded(1, s.next, 0)))
			}
			if torn {
				block = append(block, 99)
			}
			s.sink.Deliver(block)
		}
		s.mu.Unlock()
	}
}

var errUnplugged = scout.Errorf(scout.CodeDeviceNotFound, "unplugged")
