package level_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/audio/level"
)

func TestSmoothingDependsOnTimeAlone(t *testing.T) {
	t.Parallel()
	coarse, fine := level.NewMeter(level.MeterOptions{}), level.NewMeter(level.MeterOptions{})
	loud, quiet := level.Level{RMS: 0.4, Peak: 0.9}, level.Level{RMS: 0.01, Peak: 0.02}
	for _, block := range []level.Level{loud, quiet} {
		coarse.Update(block, 20*time.Millisecond)
		for range 20 {
			fine.Update(block, time.Millisecond)
		}
		a, b := coarse.Reading(), fine.Reading()
		if math.Abs(a.SmoothRMS-b.SmoothRMS) > 1e-6 || math.Abs(a.SmoothPeak-b.SmoothPeak) > 1e-6 {
			t.Errorf("one block: %+v, twenty: %+v", a, b)
		}
	}
}

func TestMeterRisesFastAndFallsSlowly(t *testing.T) {
	t.Parallel()
	m := level.NewMeter(level.MeterOptions{})
	m.Update(level.Level{RMS: 0.5, Peak: 1}, 50*time.Millisecond)
	if r := m.Reading(); r.SmoothRMS < 0.49 || r.RMS != 0.5 || r.PeakDBFS() < -0.2 {
		t.Errorf("50 ms after a step up: %+v", r)
	}
	m.Update(level.Level{}, 300*time.Millisecond)
	if r := m.Reading(); math.Abs(r.SmoothRMS-0.5/math.E) > 0.005 || r.RMS != 0 {
		t.Errorf("one time constant after a step down: %+v", r)
	}
	m.Update(level.Level{}, time.Minute)
	if r := m.Reading(); r.RMSDBFS() != level.FloorDBFS {
		t.Errorf("after a minute of silence: %v dBFS", r.RMSDBFS())
	}
}

func TestMeterSurvivesNonsense(t *testing.T) {
	t.Parallel()
	m := level.NewMeter(level.MeterOptions{})
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, math.MaxFloat64} {
		m.Update(level.Level{RMS: x, Peak: x}, time.Second)
		if r := m.Reading(); r != (level.Reading{}) {
			t.Errorf("after %v: %+v", x, r)
		}
	}
	m.Update(level.Level{RMS: 0.5, Peak: 0.5}, -time.Second)
	if r := m.Reading(); r.SmoothRMS != 0 || r.RMS != 0.5 {
		t.Errorf("after a block of negative time: %+v", r)
	}
	m.Reset()
	if r := m.Reading(); r != (level.Reading{}) {
		t.Errorf("after reset: %+v", r)
	}
}

func TestManyReadersSeePairsThatBelongTogether(t *testing.T) {
	t.Parallel()
	m := level.NewMeter(level.MeterOptions{})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if r := m.Reading(); r.Peak != 2*r.RMS {
					t.Errorf("torn reading: %+v", r)
					return
				}
			}
		})
	}
	for i := range 20_000 {
		x := float64(i%256) / 1024
		m.Update(level.Level{RMS: x, Peak: 2 * x}, time.Millisecond)
	}
	close(done)
	readers.Wait()
}

func BenchmarkMeterReading(b *testing.B) {
	m := level.NewMeter(level.MeterOptions{})
	m.Update(level.Level{RMS: 0.1, Peak: 0.5}, time.Second)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = m.Reading()
		}
	})
}
