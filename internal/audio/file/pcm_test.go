package file_test

import (
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// Encodings as ffmpeg writes them to a pipe, where it cannot go back to fill in lengths.
const (
	pipedAIFF  = "-c:a pcm_s16be -f aiff piped"
	pipedAIFC  = "-c:a pcm_s16le -ar 44100 -f aiff piped"
	pipedAIF24 = "-c:a pcm_s24be -ac 2 -f aiff piped"
	pipedW64   = "-c:a pcm_s16le -f w64 piped"
	pipedW64f  = "-c:a pcm_f32le -ac 2 -ar 44100 -f w64 piped"
	pipedWAV   = "-c:a pcm_s16le -f wav piped"
	pipedRF64  = "-c:a pcm_s16le -rf64 always -f wav piped"
	pipedAU    = "-c:a pcm_s16be -f au piped"
	pipedCAF   = "-c:a pcm_s16le -f caf piped"
	pipedSoX   = "-f sox piped"
	pipedVOC   = "-f voc piped"
	pipedTTA   = "-f tta piped"
	pipedWV    = "-f wv piped"
	pipedMKV   = "-c:a aac -f matroska piped"
	pipedAVI   = "-c:a mp2 -f avi piped"
	pipedFLV   = "-c:a aac -ar 44100 -f flv piped"
	pipedASF   = "-c:a wmav2 -f asf piped"
	pipedFLAC  = "-c:a flac -ar 16000 -f flac piped"
	pipedMP3   = "-c:a libmp3lame -f mp3 piped"
	pipedNUT   = "-f nut piped"
)

// toPipes returns all of them.
func toPipes() []string {
	return []string{
		pipedAIFF, pipedAIFC, pipedAIF24, pipedW64, pipedW64f, pipedWAV, pipedRF64, pipedAU, pipedCAF, pipedSoX, pipedVOC, pipedTTA, pipedWV,
		pipedMKV, pipedAVI, pipedFLV, pipedASF, pipedFLAC, pipedMP3, pipedNUT,
	}
}

// Files that a program wrote to a pipe have placeholders for their lengths. They are read to their end, alone and behind each
// other, from a file and from a stream, without a word.
func TestFilesThatWereWrittenToAPipe(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	sized := func(args string, at int, size uint32) func(*testing.T, signal) []byte {
		return func(t *testing.T, s signal) []byte {
			b := m.of(t, s, args)
			b[at], b[at+1], b[at+2], b[at+3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
			return b
		}
	}
	ofWAV := func(riff, data uint32) func(*testing.T, signal) []byte {
		return func(_ *testing.T, s signal) []byte { return setSize(setSize(wavOf(s, 16000, 1), 4, riff), 40, data) }
	}
	piped := func(args string) func(*testing.T, signal) []byte {
		return func(t *testing.T, s signal) []byte { return m.of(t, s, args) }
	}
	type written struct {
		of   func(t *testing.T, s signal) []byte
		here bool // read without ffmpeg as well
	}
	files := map[string]written{
		"AIFF":                      {piped(pipedAIFF), true},
		"AIFF-C, other byte order":  {piped(pipedAIFC), true},
		"AIFF of 24 bits in stereo": {piped(pipedAIF24), true},
		"AIFF, all ones":            {sized(pipedAIFF, 42, 0xFFFFFFFF), true},
		"W64":                       {piped(pipedW64), true},
		"W64 of floats":             {piped(pipedW64f), true},
		"WAV":                       {piped(pipedWAV), true},
		"WAV, all ones":             {ofWAV(0xFFFFFFFF, 0xFFFFFFFF), true},
		"WAV, zeros":                {ofWAV(0, 0), true},
		"WAV, 2 GiB less a header":  {ofWAV(0x7FFFFFFF, 0x7FFFFFDB), true},
		"RF64":                      {piped(pipedRF64), true},
		"AU":                        {piped(pipedAU), false},
		"CAF":                       {piped(pipedCAF), false},
		"SoX":                       {piped(pipedSoX), false},
		"VOC":                       {piped(pipedVOC), false},
		"TTA":                       {piped(pipedTTA), false},
		"WavPack":                   {piped(pipedWV), false},
		"Matroska":                  {piped(pipedMKV), false},
		"AVI":                       {piped(pipedAVI), false},
		"FLV":                       {piped(pipedFLV), false},
		"WMA":                       {piped(pipedASF), false},
		"FLAC":                      {piped(pipedFLAC), true},
		"MP3":                       {piped(pipedMP3), true},
		"NUT":                       {piped(pipedNUT), false},
	}
	for name, c := range testrun.SomeOf(t, files,
		"AIFF", "AIFF-C, other byte order", "AIFF of 24 bits in stereo", "AIFF, all ones", "W64", "W64 of floats", "WAV", "WAV, all ones", "WAV, zeros",
		"WAV, 2 GiB less a header", "RF64", "AU", "CAF", "TTA", "Matroska", "WMA", "FLAC", "MP3", "NUT") {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg != "" && !c.here {
				continue
			}
			t.Run(name+ffmpeg, func(t *testing.T) {
				t.Parallel()
				opts := file.Options{FFmpeg: ffmpeg}
				one, two := c.of(t, signalA), c.of(t, signalB)
				alone := fromBoth(t, one, opts, timesOf(0.0, signalA))
				fromBoth(t, join(one, two), opts, timesOf(0.0, signalA, alone, signalB))
			})
		}
	}
}

// fromBoth reads content as a file and as a stream and wants sounds at those times, give or take the delay of a codec, without a
// warning. It returns the length in seconds.
func fromBoth(t *testing.T, content []byte, opts file.Options, want []float64) float64 {
	t.Helper()
	got, info := readFile(t, write(t, "x", content), opts)
	found := burstsOf(got)
	right := len(found) == len(want)
	for i := range min(len(found), len(want)) {
		right = right && math.Abs(found[i]-want[i]) < 0.1
	}
	if !right || len(info.Warnings) > 0 {
		t.Errorf("sounds at %.3f of %.3f s, want %.3f; warnings %q", found, float64(len(got))/16000, want, messages(info.Warnings))
	}
	r, err := openStream(t, content, opts)
	if err != nil {
		t.Fatalf("from a stream: %v", err)
	}
	defer closeReader(t, r)
	if again, err := drain(r); err != nil || !slices.Equal(again, got) || len(r.Info().Warnings) != len(info.Warnings) {
		t.Errorf("from a stream: %d samples of %d, %v, warnings %q", len(again), len(got), err, messages(r.Info().Warnings))
	}
	return float64(len(got)) / 16000
}

// The length that is known at the beginning is that of all files behind each other, or none. It is never that of the first.
func TestLengthOfFilesBehindEachOther(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	pcm := func(s signal) []byte { return wavOf(s, 16000, 1)[36:] }
	two := join(wavOf(signalA, 16000, 1), pcm(signalB))
	setSize(two, 4, uint32(len(two)-8))
	of := func(args string) []byte { return join(encoded(t, m, signalA, args), encoded(t, m, signalB, args)) }
	for name, c := range map[string]struct {
		content []byte
		want    float64 // 0 for unknown
		ffmpeg  string
	}{
		"one WAV":                      {wavOf(signalA, 16000, 1), 2, file.NoFFmpeg},
		"one WAV with a tag":           {join(wavOf(signalA, 16000, 1), id3v1()), 2, file.NoFFmpeg},
		"one FLAC":                     {m.of(t, signalA, flac16k), 2, file.NoFFmpeg},
		"one MP3":                      {m.of(t, signalA, mp3), 2, ""},
		"WAV":                          {of("wav"), 3.5, file.NoFFmpeg},
		"two data chunks":              {two, 3.5, file.NoFFmpeg},
		"FLAC":                         {of(flac16k), 3.5, file.NoFFmpeg},
		"Vorbis":                       {of(vorbis), 3.5, file.NoFFmpeg},
		"MP3":                          {of(mp3), 3.5, ""},
		"MP3 without ffmpeg":           {of(mp3), 3.5, file.NoFFmpeg},
		"MP3 without tags":             {of(mp3Bare), 3.5, ""},
		"ADTS":                         {of(adts), 3.5, ""},
		"AC-3":                         {of(ac3), 3.5, ""},
		"M4A":                          {of(m4a48k), 3.5, ""},
		"M4A behind WAV":               {join(wavOf(signalA, 16000, 1), m.of(t, signalB, m4a48k)), 3.5, ""},
		"a browser's WebM":             {of(webmLive), 0, ""},
		"WAV with a placeholder":       {join(setSize(setSize(wavOf(signalA, 16000, 1), 4, 0), 40, 0), wavOf(signalB, 16000, 1)), 0, file.NoFFmpeg},
		"a cut WAV before a whole one": {join(wavOf(signalA, 16000, 1)[:40000], wavOf(signalB, 16000, 1)), 0, file.NoFFmpeg},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := file.Open(t.Context(), write(t, "x", c.content), file.Options{FFmpeg: c.ffmpeg})
			if err != nil {
				t.Fatal(err)
			}
			defer closeReader(t, r)
			if got := r.Info().Duration.Seconds(); math.Abs(got-c.want) > 0.15 {
				t.Errorf("%.3f s at the beginning, want %.3f", got, c.want)
			}
			samples, err := drain(r)
			if got := r.Info().Duration.Seconds(); err != nil || math.Abs(got-float64(len(samples))/16000) > 0.001 {
				t.Errorf("%.3f s at the end of %d samples, %v", got, len(samples), err)
			}
		})
	}
}
