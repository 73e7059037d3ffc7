package outline_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/audio/outline"
)

// stereo is a signal whose channels differ, with one loud frame.
func stereo(frames, loud int) []float32 {
	out := make([]float32, 2*frames)
	for i := range frames {
		out[2*i], out[2*i+1] = 0.1, -0.2
	}
	out[2*loud], out[2*loud+1] = -0.9, 2
	return out
}

// However long a signal is, and however it is cut into pieces, its loudest frame is where it was.
func TestPeaksOfEveryLength(t *testing.T) {
	t.Parallel()
	for _, frames := range []int{1, 7, 999, 1 << 17, 1<<17 + 1, 300_001} {
		t.Run(fmt.Sprint(frames), func(t *testing.T) {
			t.Parallel()
			loud := frames * 2 / 3
			o := outline.New(16000, 2)
			for piece := range slices.Chunk(stereo(frames, loud), 2*1000) {
				o.Add(piece)
			}
			kept, err := outline.Decode(o.Encode("abc"), "abc")
			if err != nil {
				t.Fatal(err)
			}
			for _, points := range []int{1, 10, 2000, 20000} {
				for _, o := range []*outline.Outline{o, kept} {
					peaks := o.Peaks(points)
					n := min(points, frames)
					if len(peaks) != 2 || len(peaks[0]) != n || len(peaks[1]) != n || o.Frames != uint64(frames) {
						t.Fatalf("%d points: %d channels of %d", points, len(peaks), len(peaks[0]))
					}
					at := slices.Index(peaks[0], -0.9)
					if want := loud * n / frames; at < want-1 || at > want || peaks[1][at] != 1 {
						t.Errorf("%d points: the loud frame is in %d, want %d", points, at, want)
					}
					for i, v := range peaks[0] {
						if i != at && v != 0.1 {
							t.Fatalf("%d points: %v in %d", points, v, i)
						}
					}
				}
			}
		})
	}
}

func TestAnOutlineThatIsDamagedIsRefused(t *testing.T) {
	t.Parallel()
	o := outline.New(16000, 1)
	o.Add([]float32{0.5, -0.5, 0})
	whole := o.Encode("abc")
	if _, err := outline.Decode(whole, "abd"); err == nil {
		t.Error("that of other audio is taken")
	}
	for n := range whole {
		if _, err := outline.Decode(whole[:n], "abc"); err == nil {
			t.Errorf("%d of %d bytes are taken", n, len(whole))
		}
		other := slices.Clone(whole)
		other[n] ^= 0x40
		if _, err := outline.Decode(other, "abc"); err == nil {
			t.Errorf("another byte %d is taken", n)
		}
	}
	if empty, err := outline.Decode(outline.New(16000, 1).Encode("abc"), "abc"); err != nil || len(empty.Peaks(10)[0]) != 0 {
		t.Errorf("silence of no length: %v", err)
	}
}
