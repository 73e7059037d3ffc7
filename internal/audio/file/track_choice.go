package file

import (
	"bytes"

	"github.com/scout-speech/scout"
)

// mapping returns ffmpeg's name of the track that is read.
func (j *ffmpegJob) mapping() string {
	if j.track != nil {
		return j.track.mapping()
	}
	return "0:a:0"
}

// turnToTrack chooses the track, as soon as the tracks are known. The running decoder reads the first; for another one
// it is restarted, which costs a fifth of a second, and nothing if there is only one track.
func (d *ffmpegDecoder) turnToTrack() error {
	tracks := d.found.tracks
	if len(tracks) == 0 {
		return d.turnBlindly()
	}
	chosen, err := d.job.chooseTrack(tracks)
	if err != nil {
		return err
	}
	d.found.choose(chosen)
	if len(tracks) > 1 && !d.job.opts.Track.given() {
		d.notes = append(d.notes, choiceWarning(tracks, chosen))
	}
	d.job.track = &tracks[chosen]
	if chosen == 0 {
		return nil
	}
	return d.restart()
}

// turnBlindly chooses a track without ffprobe: only its number is known.
func (d *ffmpegDecoder) turnBlindly() error {
	choice := d.job.opts.Track
	switch {
	case d.job.what.kind == kindMP3:
		return choice.onlyTrack()
	case choice.Number > 1:
		d.job.track = &Track{Number: choice.Number, blind: true}
		return d.restart()
	case choice.Language != "":
		return scout.Errorf(scout.CodeDecoderMissing, "the languages of tracks are not known without ffprobe").
			WithHint("install ffprobe, which comes with ffmpeg, or choose with --track N")
	}
	return nil
}

// restart restarts the decoder for the chosen track.
func (d *ffmpegDecoder) restart() error {
	if err := d.close(); err != nil {
		return err
	}
	*d = ffmpegDecoder{job: d.job, found: d.found, tagged: d.tagged, notes: d.notes, log: newFFmpegLog()}
	return d.start()
}

// trackInfo returns the tracks and the number of the one that is read, if the decoder knows them.
func trackInfo(d decoder) ([]Track, int) {
	if f, ok := d.(*ffmpegDecoder); ok && f.job.track != nil {
		return f.found.tracks, f.job.track.Number
	}
	return nil, 0
}

// oggHead returns the beginning of an Ogg file, with the first pages of all its streams. It waits for no more than that.
func oggHead(src *source) []byte {
	for size := 1 << 10; ; size *= 2 {
		head, err := src.buf.Peek(min(size, sniffBytes)) // an error is an end, or comes back with the next read
		rest := head
		for len(rest) >= oggHeaderBytes && string(rest[:4]) == "OggS" && rest[5]&oggFirst != 0 {
			rest = rest[min(oggPageSize(rest), int64(len(rest))):]
		}
		if len(rest) >= oggHeaderBytes || err != nil || size >= sniffBytes {
			return head
		}
	}
}

// oggTracks counts the audio streams whose first pages are at the beginning of an Ogg file. Source: RFC 3533, section
// 4: the first pages of all multiplexed streams come before any other page.
func oggTracks(head []byte) int {
	tracks := 0
	for len(head) >= oggHeaderBytes && string(head[:4]) == "OggS" && head[5]&oggFirst != 0 {
		size := oggHeaderBytes + int(head[26])
		if len(head) < size {
			break
		}
		for _, n := range head[oggHeaderBytes:size] {
			size += int(n)
		}
		if first, ok := firstPacket(head); ok {
			for _, magic := range []string{"\x01vorbis", "OpusHead", "\x7fFLAC", "Speex   "} {
				if bytes.HasPrefix(first, []byte(magic)) {
					tracks++
				}
			}
		}
		head = head[min(size, len(head)):]
	}
	return tracks
}

// vorbis decodes in this process, unless there are several tracks, of which ffmpeg can read any.
func (r *Reader) vorbis(what sniffed) (decoder, error) {
	tracks := oggTracks(oggHead(r.src))
	if tracks > 1 && r.ffmpegPath() != "" {
		return r.ffmpeg(what)
	}
	d, err := newVorbis(r.src)
	if err == nil && tracks > 1 {
		r.damage = append(r.damage, scout.Warnf(scout.WarningTracks, "it has %d audio tracks, the first Vorbis one was read; with ffmpeg installed --track chooses another", tracks))
	}
	return r.orFFmpeg(what, d, err)
}
