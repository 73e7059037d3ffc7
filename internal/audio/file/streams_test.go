package file_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// Encodings of a signal, by the arguments of ffmpeg.
const (
	mp3      = "-c:a libmp3lame -ar 44100 -b:a 64k mp3"
	mp3Bare  = "-c:a libmp3lame -ar 44100 -b:a 64k -write_xing 0 -id3v2_version 0 mp3"
	mp3v1    = "-c:a libmp3lame -ar 44100 -b:a 64k -write_id3v1 1 -metadata title=x mp3"
	mp3Two   = "-c:a libmp3lame -ar 44100 -ac 2 -b:a 96k -write_xing 0 -id3v2_version 0 mp3"
	mp348k   = "-c:a libmp3lame -ar 48000 -b:a 64k -write_xing 0 -id3v2_version 0 mp3"
	mp322k   = "-c:a libmp3lame -ar 22050 -b:a 32k mp3"
	flac16k  = "-c:a flac -ar 16000 flac"
	flac44k  = "-c:a flac -ar 44100 -ac 2 flac"
	flac24k  = "-c:a flac -ar 24000 flac"
	vorbis   = "-c:a libvorbis ogg"
	vorbis2  = "-c:a libvorbis -ar 22050 -ac 2 ogg"
	opus     = "-c:a libopus opus"
	opus2    = "-c:a libopus -ac 2 opus"
	oggFLAC  = "-c:a flac ogg"
	webm     = "-c:a libopus webm"
	webmLive = "-c:a libopus -live 1 -f webm webm"
	mkaAAC   = "-c:a aac mka"
	m4a48k   = "-c:a aac m4a"
	m4aFast  = "-c:a aac -movflags +faststart m4a"
	m4aFrag  = "-c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 500000 mp4"
	adts     = "-c:a aac aac"
	adts2    = "-c:a aac -ac 2 -ar 44100 aac"
	ac3      = "-c:a ac3 ac3"
	ac3Two   = "-c:a ac3 -ac 2 -ar 44100 ac3"
	eac3     = "-c:a eac3 eac3"
	mp2      = "-c:a mp2 -ar 44100 mp2"
	mp2Two   = "-c:a mp2 -ac 2 -ar 48000 mp2"
	amr      = "-c:a libopencore_amrnb -ar 8000 -b:a 12.2k amr"
	aiff     = "-c:a pcm_s16be aiff"
	caf      = "-c:a pcm_s16le caf"
	au       = "-c:a pcm_s16be au"
	w64      = "-c:a pcm_s16le w64"
	rf64     = "-c:a pcm_s16le -rf64 always wav"
	adpcm    = "-c:a adpcm_ima_wav wav"
	ts       = "-c:a mp2 ts"
	tsAAC    = "-c:a aac ts"
	wma      = "-c:a wmav2 wma"
	flv      = "-c:a aac -ar 44100 flv"
	avi      = "-c:a mp2 avi"
	wv       = "-c:a wavpack wv"
	dts      = "-c:a dca -strict -2 dts"
	loas     = "-c:a aac -f latm loas"
	m2ts     = "-c:a ac3 -mpegts_m2ts_mode 1 -f mpegts m2ts"
	wtv      = "-c:a ac3 wtv"
	tta      = "-c:a tta tta"
	voc      = "voc"
	nut      = "-c:a pcm_s16le nut"
	sox      = "sox"
	swf      = "-c:a libmp3lame -ar 22050 swf"
)

// common returns the encodings that several tests use.
func common() []string {
	return []string{
		mp3, mp3Bare, mp3v1, mp3Two, mp348k, mp322k, flac16k, flac44k, flac24k, vorbis, vorbis2, opus, opus2, oggFLAC, webm, webmLive,
		mkaAAC, m4a48k, m4aFast, m4aFrag, adts, adts2, ac3, ac3Two, eac3, mp2, mp2Two, aiff, caf, au, w64, rf64, adpcm, ts, tsAAC,
		wma, flv, avi, wv, dts, loas, m2ts, wtv, tta, voc, nut, sox, swf,
	}
}

// Whatever stands behind each other is read as one recording: every sound at its time, without a warning.
func TestFilesBehindEachOther(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	type pair struct {
		name          string
		first, second string
		here          bool // read without ffmpeg as well
	}
	tests := []pair{
		{"MP3 with tags", mp3, mp3, true},
		{"MP3 without tags", mp3Bare, mp3Bare, true},
		{"MP3 with ID3v1 between", mp3v1, mp3v1, true},
		{"MP3, mono then stereo", mp3Bare, mp3Two, true},
		{"MP3, 44.1 then 48 kHz", mp3Bare, mp348k, true},
		{"MP3, MPEG 1 then 2", mp3, mp322k, true},
		{"FLAC", flac16k, flac16k, true},
		{"FLAC, 16 then 44.1 kHz stereo", flac16k, flac44k, true},
		{"FLAC, 24 then 16 kHz", flac24k, flac16k, true},
		{"Vorbis", vorbis, vorbis, true},
		{"Vorbis, mono then stereo of another rate", vorbis, vorbis2, true},
		{"Opus", opus, opus, false},
		{"Opus, mono then stereo", opus, opus2, false},
		{"Vorbis then Opus", vorbis, opus, false},
		{"Opus then Vorbis", opus, vorbis, false},
		{"FLAC in Ogg", oggFLAC, oggFLAC, false},
		{"WebM", webm, webm, false},
		{"WebM of a browser", webmLive, webmLive, false},
		{"Matroska then WebM", mkaAAC, webm, false},
		{"M4A", m4a48k, m4a48k, false},
		{"M4A, index first", m4aFast, m4aFast, false},
		{"MP4 in fragments", m4aFrag, m4aFrag, false},
		{"ADTS", adts, adts, false},
		{"ADTS, another rate and layout", adts, adts2, false},
		{"AC-3", ac3, ac3, false},
		{"AC-3, another rate and layout", ac3, ac3Two, false},
		{"E-AC-3", eac3, eac3, false},
		{"MP2", mp2, mp2, false},
		{"MP2, another rate and layout", mp2, mp2Two, false},
		{"AMR", amr, amr, false},
		{"AIFF", aiff, aiff, false},
		{"CAF", caf, caf, false},
		{"AU", au, au, false},
		{"W64", w64, w64, false},
		{"RF64", rf64, rf64, true},
		{"ADPCM in WAV", adpcm, adpcm, false},
		{"transport stream", ts, ts, false},
		{"transport stream of AAC", tsAAC, tsAAC, false},
		{"WMA", wma, wma, false},
		{"FLV", flv, flv, false},
		{"AVI", avi, avi, false},
		{"WAV then MP3", "wav", mp3, true},
		{"WAV then bare MP3", "wav", mp3Bare, true},
		{"MP3 then WAV", mp3, "wav", true},
		{"FLAC then Vorbis", flac16k, vorbis, true},
		{"Vorbis then FLAC", vorbis, flac16k, true},
		{"AMR then WAV", amr, "wav", false},
		{"M4A then MP3", m4a48k, mp3, false},
		{"ADTS then FLAC", adts, flac16k, false},
		{"AIFF then WAV", aiff, "wav", false},
		{"WebM then M4A", webm, m4a48k, false},
		{"WavPack", wv, wv, false},
		{"AC-3 then ADTS", ac3, adts, false},
		{"E-AC-3 then DTS", eac3, dts, false},
		{"DTS then LATM", dts, loas, false},
		{"LATM then AC-3", loas, ac3, false},
		{"WAV to a pipe, then AC-3", pipedWAV, ac3, false},
		{"WAV to a pipe, then DTS", pipedRF64, dts, false},
		{"WAV to a pipe, then FLAC", pipedWAV, flac16k, true},
		{"WAV to a pipe, then bare MP3", pipedWAV, mp3Bare, true},
		{"AIFF to a pipe, then E-AC-3", pipedAIFF, eac3, false},
		{"M2TS then a transport stream", m2ts, ts, false},
		{"a transport stream then M2TS", ts, m2ts, false},
		{"WTV", wtv, wtv, false},
		{"WTV then AC-3", wtv, ac3, false},
		{"TTA then ADTS", tta, adts, false},
		{"VOC then DTS", voc, dts, false},
		{"NUT then bare MP3", nut, mp3Bare, false},
		{"SoX then AC-3", sox, ac3, false},
		{"WMA then ADTS", wma, adts, false},
		{"Flash then AC-3", swf, ac3, false},
		{"FLAC then AC-3", flac16k, ac3, false},
		{"program stream then MP3", "-c:a mp2 -f mpeg mpg", mp3, false},
		{"VOB then bare MP3", "-c:a ac3 -f vob vob", mp3Bare, false},
		{"program stream of MPEG 1 then WAV", "-c:a mp2 -f mpeg mpg", "wav", false},
		{"program streams", "-c:a mp2 -f mpeg mpg", "-c:a mp2 -f mpeg mpg", false},
		{"RealMedia then M4A", "-c:a ac3 -ar 44100 rm", m4a48k, false},
		{"RealMedia then ADTS", "-c:a ac3 -ar 44100 rm", adts, false},
		{"LATM then MLP", loas, "-c:a mlp -strict -2 mlp", false},
		{"AC-3 then TrueHD", ac3, "-c:a truehd -strict -2 -f truehd thd", false},
		{"FLV then WAV", flv, "wav", false},
		{"FLV then FLAC", flv, flac16k, false},
	}
	for _, test := range testrun.Some(t, tests, func(p pair) string { return p.name },
		"MP3 with tags", "MP3 without tags", "MP3 with ID3v1 between", "MP3, mono then stereo", "MP3, MPEG 1 then 2", "FLAC", "FLAC, 16 then 44.1 kHz stereo",
		"Vorbis, mono then stereo of another rate", "Opus, mono then stereo", "Vorbis then Opus", "FLAC in Ogg", "WebM of a browser", "Matroska then WebM",
		"M4A", "MP4 in fragments", "ADTS, another rate and layout", "AC-3", "AMR", "AIFF", "RF64", "ADPCM in WAV", "transport stream", "WMA", "FLV",
		"WAV then MP3", "MP3 then WAV", "FLAC then Vorbis", "Vorbis then FLAC", "ADTS then FLAC", "WebM then M4A", "E-AC-3 then DTS", "LATM then AC-3",
		"WAV to a pipe, then FLAC", "AIFF to a pipe, then E-AC-3", "M2TS then a transport stream", "WTV then AC-3", "NUT then bare MP3",
		"program stream then MP3", "RealMedia then ADTS", "LATM then MLP", "FLV then WAV") {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg != "" && !test.here {
				continue
			}
			t.Run(test.name+ffmpeg, func(t *testing.T) {
				t.Parallel()
				one, two := encoded(t, m, signalA, test.first), encoded(t, m, signalB, test.second)
				opts := file.Options{FFmpeg: ffmpeg}
				alone, behind := m.alone(t, signalA, test.first, ffmpeg), m.alone(t, signalB, test.second, ffmpeg)
				got, info := readFile(t, write(t, "joined", join(one, two)), opts)
				begin := float64(len(alone)) / 16000
				var want []float64
				want = append(want, burstsOf(alone)...)
				for _, at := range burstsOf(behind) {
					want = append(want, begin+at)
				}
				if len(want) != 5 || math.Abs(begin-signalA.seconds) > 0.1 {
					t.Fatalf("the parts alone have %v and %.3f s", want, begin)
				}
				if found := burstsOf(got); !near(found, want) || math.Abs(float64(len(got)-len(alone)-len(behind))) > 800 {
					t.Errorf("sounds at %.3f of %.3f s, want %.3f of %.3f s", found, float64(len(got))/16000, want, float64(len(alone)+len(behind))/16000)
				}
				if len(info.Warnings) > 0 {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
				if d := info.Duration.Seconds() - float64(len(got))/16000; d < -0.001 || d > 0.001 {
					t.Errorf("duration %v of %d samples", info.Duration, len(got))
				}
			})
		}
	}
}

func encoded(t *testing.T, m *maker, s signal, args string) []byte {
	t.Helper()
	if args == "wav" {
		return wavOf(s, 16000, 1)
	}
	return m.of(t, s, args)
}

// Healthy files of all kinds: every sound at its time, and not a word about them.
func TestHealthyStreams(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	a, b := signalA, signalB
	pcm := func(s signal) []byte { return wavOf(s, 16000, 1)[44:] }
	chunk := func(name string, size int, body []byte) []byte {
		return join([]byte(name), binary.LittleEndian.AppendUint32(nil, uint32(size)), body)
	}
	data := func(s signal) []byte { return chunk("data", len(pcm(s)), pcm(s)) }
	header := wavOf(a, 16000, 1)[:36]
	riff := func(parts ...[]byte) []byte {
		body := join(append([][]byte{header}, parts...)...)
		return setSize(body, 4, uint32(len(body)-8))
	}
	both := timesOf(0.0, a, 2.0, b)
	video := func(seconds int) string { return fmt.Sprintf("-f lavfi -i testsrc=s=64x64:d=%d:r=10 ", seconds) }
	var wanted []string
	made := func(args string) func(t *testing.T) []byte {
		wanted = append(wanted, args)
		return func(t *testing.T) []byte { return m.of(t, a, args) }
	}
	type row struct {
		name    string
		content func(t *testing.T) []byte
		want    []float64
		seconds float64
		here    bool
	}
	tests := []row{
		{"two data chunks", func(*testing.T) []byte { return riff(data(a), data(b)) }, both, 3.5, true},
		{"a list between data chunks", func(*testing.T) []byte {
			return riff(chunk("JUNK", 28, make([]byte, 28)), data(a), chunk("LIST", 10, []byte("INFOabcdef")), data(b))
		}, both, 3.5, true},
		{"an odd chunk between data chunks", func(*testing.T) []byte {
			return riff(data(a), chunk("note", 5, []byte("abcde\x00")), data(b))
		}, both, 3.5, true},
		{"two files with placeholders", func(*testing.T) []byte {
			return join(setSize(setSize(wavOf(a, 16000, 1), 4, 0xFFFFFFFF), 40, 0xFFFFFFFF), setSize(setSize(wavOf(b, 44100, 2), 4, 0), 40, 0))
		}, both, 3.5, true},
		{"WAV of 8 kHz stereo behind 16 kHz", func(*testing.T) []byte { return join(wavOf(a, 16000, 1), wavOf(b, 8000, 2)) }, both, 3.5, true},
		{"a WAV file without samples between", func(*testing.T) []byte {
			return join(wavOf(a, 16000, 1), wavFile(audio.Int16, 16000, 1, nil), wavOf(b, 16000, 1))
		}, both, 3.5, true},
		{"MP3 with tags of three kinds at its end", func(t *testing.T) []byte {
			return join(m.of(t, a, mp3), apeTag(), id3v1())
		}, timesOf(0.0, a), 2, true},
		{"FLAC behind ID3", func(t *testing.T) []byte { return join(id3v2(), m.of(t, a, flac16k)) }, timesOf(0.0, a), 2, true},
		{"FLAC with ID3 between", func(t *testing.T) []byte { return join(m.of(t, a, flac16k), id3v2(), m.of(t, b, flac16k)) }, both, 3.5, true},
		{"FLAC of a pipe, no length", func(t *testing.T) []byte {
			return join(noFLACLength(m.of(t, a, flac16k)), noFLACLength(m.of(t, b, flac16k)))
		}, both, 3.5, true},
		{"FLAC in NUT, an empty packet at its end", made("-c:a flac nut"), timesOf(0.0, a), 2, false},
		{"FLAC in AVI, an empty packet at its end", made("-c:a flac avi"), timesOf(0.0, a), 2, false},
		{"video longer than its sound", made(video(6) + "|-c:v mpeg4 -c:a aac mp4"), timesOf(0.0, a), 2, false},
		{"Matroska longer than its sound", made(video(6) + "|-c:v mpeg4 -c:a libopus mkv"), timesOf(0.0, a), 2, false},
		{"sound longer than the video", made(video(1) + "|-c:v mpeg4 -c:a aac mp4"), timesOf(0.0, a), 2, false},
		{"MP4, sound begins later", made(video(6) + "-itsoffset 2|-c:v mpeg4 -c:a aac mp4"), timesOf(2.0, a), 4, false},
		{"Matroska, sound begins later", made(video(6) + "-itsoffset 2|-c:v mpeg4 -c:a aac mkv"), timesOf(2.0, a), 4, false},
		{"WebM, sound begins later", made(video(6) + "-itsoffset 2|-c:v libvpx -deadline realtime -c:a libopus webm"), timesOf(2.0, a), 4, false},
		{"transport stream, sound begins later", made(video(6) + "-itsoffset 2|-c:v mpeg4 -c:a mp2 ts"), timesOf(2.0, a), 4, false},
		{"program stream, sound begins later", made(video(6) + "-itsoffset 2|-c:v mpeg2video -r 25 -c:a mp2 -f mpeg mpg"), timesOf(2.0, a), 4, false},
		{"FLV, sound begins later", made(video(6) + "-itsoffset 2|-c:v flv -ar 44100 -c:a aac flv"), timesOf(2.0, a), 4, false},
		{"time stamps that begin at 100 s", made("|-output_ts_offset 100 -c:a aac mka"), timesOf(0.0, a), 2, false},
		{"transport stream that begins at 5000 s", made("|-output_ts_offset 5000 -c:a mp2 ts"), timesOf(0.0, a), 2, false},
		{"transport stream over the wrap of its clock", made("|-output_ts_offset 95441.7 -c:a mp2 ts"), timesOf(0.0, a), 2, false},
		{"MP4 with an edit list", made("-itsoffset 10|-c:a aac m4a"), timesOf(0.0, a), 2, false},
		{"MP4 in fragments", made(m4aFrag), timesOf(0.0, a), 2, false},
		{"transport streams, the second without a picture", func(t *testing.T) []byte {
			return join(m.of(t, a, video(2)+"|-c:v mpeg4 -c:a mp2 ts"), m.of(t, b, ts))
		}, both, 3.5, false},
		{"transport streams, the first without a picture", func(t *testing.T) []byte {
			return join(m.of(t, a, ts), m.of(t, b, video(2)+"|-c:v mpeg4 -c:a mp2 ts"))
		}, both, 3.5, false},
		{"transport streams, sound late in both, early at its end in the first", func(t *testing.T) []byte {
			late := m.of(t, b, video(5)+"-itsoffset 2|-c:v mpeg4 -c:a mp2 ts")
			return join(late, late)
		}, timesOf(2.0, b, 7.0, b), 8.5, false},
		{"transport stream, the second begins much later", func(t *testing.T) []byte {
			return join(m.of(t, a, ts), m.of(t, b, "|-output_ts_offset 500 -c:a mp2 ts"))
		}, both, 3.5, false},
		{"M4A with an edit list, twice", func(t *testing.T) []byte {
			late := m.of(t, a, "-itsoffset 10|-c:a aac m4a")
			return join(late, late)
		}, timesOf(0.02, a, 2.04, a), 4.05, false},
		{"AVI whose picture is longer, twice", func(t *testing.T) []byte {
			long := m.of(t, b, video(4)+"|-c:v mpeg4 -c:a mp2 avi")
			return join(long, long)
		}, timesOf(0.0, b, 4.0, b), 5.5, false},
		{"MP4 whose picture is longer, twice", func(t *testing.T) []byte {
			long := m.of(t, b, video(4)+"|-c:v mpeg4 -c:a aac mp4")
			return join(long, long)
		}, timesOf(0.0, b, 4.0, b), 5.5, false},
		{"transport stream cut in front, inside of a packet", func(t *testing.T) []byte {
			whole := m.of(t, a, ts)
			return join(whole[111:188], whole)
		}, timesOf(0.0, a), 2, false},
		{"AAC in LATM", made("-c:a aac -f latm latm"), timesOf(0.04, a), 2.05, false},
		{"AIFF of a pipe", made(aiff), timesOf(0.0, a), 2, false},
		{"AU without a length", func(t *testing.T) []byte {
			c := m.of(t, a, au)
			binary.BigEndian.PutUint32(c[8:], 0xFFFFFFFF)
			return c
		}, timesOf(0.0, a), 2, false},
		{"W64 without a length", func(t *testing.T) []byte {
			c := m.of(t, a, w64)
			binary.LittleEndian.PutUint64(c[16:], math.MaxUint64)
			return c
		}, timesOf(0.0, a), 2, false},
	}
	wanted = slices.DeleteFunc(wanted, func(args string) bool { return slices.Contains(common(), args) })
	m.ahead(a, wanted...)
	for _, size := range []uint32{0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 2_000_000_000, 2_147_000_000, 0x40000000, 0xFFFFFFDB, 0x7FFFF000} {
		tests = append(tests, row{fmt.Sprintf("WAV with a size of %#x", size), func(*testing.T) []byte {
			return setSize(setSize(wavOf(a, 16000, 1), 40, size), 4, size+36)
		}, timesOf(0.0, a), 2, true})
	}
	for _, test := range testrun.Some(t, tests, func(r row) string { return r.name },
		"two data chunks", "a list between data chunks", "an odd chunk between data chunks", "two files with placeholders",
		"WAV of 8 kHz stereo behind 16 kHz", "a WAV file without samples between", "MP3 with tags of three kinds at its end", "FLAC behind ID3",
		"FLAC with ID3 between", "FLAC of a pipe, no length", "FLAC in NUT, an empty packet at its end", "video longer than its sound",
		"Matroska longer than its sound", "MP4, sound begins later", "Matroska, sound begins later", "transport stream, sound begins later",
		"program stream, sound begins later", "FLV, sound begins later", "time stamps that begin at 100 s",
		"transport stream over the wrap of its clock", "MP4 with an edit list", "transport streams, the second without a picture",
		"transport streams, sound late in both, early at its end in the first", "transport stream, the second begins much later",
		"M4A with an edit list, twice", "AVI whose picture is longer, twice", "transport stream cut in front, inside of a packet",
		"AIFF of a pipe", "AU without a length", "WAV with a size of 0x0", "WAV with a size of 0xffffffff", "WAV with a size of 0x7ffff000") {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg != "" && !test.here {
				continue
			}
			t.Run(test.name+ffmpeg, func(t *testing.T) {
				t.Parallel()
				got, info := readFile(t, write(t, "a", test.content(t)), file.Options{FFmpeg: ffmpeg})
				found := burstsOf(got)
				if length := float64(len(got)) / 16000; !near(found, test.want) || math.Abs(length-test.seconds) > 0.1 {
					t.Errorf("sounds at %.3f of %.3f s, want %.3f of %.3f s", found, length, test.want, test.seconds)
				}
				if len(info.Warnings) > 0 {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
	}
}

func id3v2() []byte {
	return append([]byte("ID3\x04\x00\x00\x00\x00\x08\x00"), make([]byte, 1024)...)
}

func id3v1() []byte { return append([]byte("TAGtitle"), make([]byte, 120)...) }

func apeTag() []byte {
	item := []byte("\x05\x00\x00\x00\x00\x00\x00\x00Title\x00a song")
	head := func(flags uint32) []byte {
		b := append([]byte("APETAGEX"), 0xD0, 7, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(item)+32))
		b = binary.LittleEndian.AppendUint32(b, 1)
		return append(binary.LittleEndian.AppendUint32(b, flags), make([]byte, 8)...)
	}
	return bytes.Join([][]byte{head(0xA0000000), item, head(0x80000000)}, nil)
}

// noFLACLength takes the number of samples out of the header, which is unknown to an encoder that writes to a pipe.
func noFLACLength(b []byte) []byte {
	b[21] &= 0xF0
	clear(b[22:26])
	return b
}
