package transcribe

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/text"
)

// split transcribes the channels of one input separately, one after the other, and sorts the text by time. The first
// pass shows which channels are silent or the same as another one; those are not read. The memory is that of one
// channel and the text.
type split struct {
	t       *Transcriber
	index   int
	input   Input // for the second and later passes
	options Options
	sink    Sink
	watch   Watch

	channels int
	sounds   []audio.ChannelSummary
	channel  audio.Channel // the current channel
	words    int           // of the previous channels
	before   []scout.Segment
	doc      text.Document // the settled part, in order of time
	result   Result
}

// apart transcribes the channels of one input separately.
func (t *Transcriber) apart(ctx context.Context, i int, in Input, o Options, sink Sink, watch Watch) (result Result, err error) {
	began := time.Now()
	first, again, err := repeatable(ctx, in, o.File.TempDir)
	if err != nil {
		return Result{Input: in}, err
	}
	defer func() { err = errors.Join(err, again.release(ctx)) }()
	s := &split{t: t, index: i, input: again.Input, options: o, sink: sink, watch: watch, channels: 1}
	s.result.Input = in
	s.doc = text.Document{File: in.Path, Transcript: scout.Transcript{Model: t.recognizer.Model.ID, Language: o.Language}}
	var all scout.Transcript
	for c := 1; c <= s.channels && err == nil; c++ {
		s.channel = audio.Channel(c)
		if s.skipped(c) {
			continue
		}
		from := first
		if c > 1 {
			from = s.input
		}
		var heard *scout.Transcript
		if heard, err = s.hear(ctx, from); heard == nil {
			continue
		}
		s.add(&all, heard)
	}
	s.result.TimeTaken = time.Since(began)
	if all.Model == "" {
		return s.result, err
	}
	remarks := s.remarks()
	t.count(remarks)
	all.Warnings = append(remarks, all.Warnings...)
	inOrder(&all)
	s.result.Transcript, s.doc.Transcript, s.doc.TimeTaken = all, all, s.result.TimeTaken
	if err == nil {
		s.result.Settled = all.Duration
	}
	return s.deliver(ctx, err)
}

// skipped reports whether channel c need not be read.
func (s *split) skipped(c int) bool {
	return c > 1 && c <= len(s.sounds) && (s.sounds[c-1].Silent || s.sounds[c-1].SameAs > 0)
}

// last reports whether no channel is read after this one.
func (s *split) last() bool {
	for c := int(s.channel) + 1; c <= s.channels; c++ {
		if !s.skipped(c) {
			return false
		}
	}
	return len(s.sounds) > 0 // else more channels may come
}

// hear transcribes the current channel.
func (s *split) hear(ctx context.Context, in Input) (heard *scout.Transcript, err error) {
	options := s.options.File
	options.Channel, options.ChannelAlone, options.Survey = s.channel, true, s.channel == 1
	reader, err := s.t.open(ctx, in, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if s.channel == 1 {
		s.opened(reader.Info())
	}
	transcribing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	streams := s.last()
	heard, err = s.t.speech.Transcribe(transcribing, reader, speech.Options{
		Model: s.t.recognizer.Model.ID, Language: s.options.Language, Translate: s.options.Translate, Trait: s.t.recognizer.Trait(),
		Effort: s.options.Effort, Cut: s.options.Cut, Class: s.options.Class, Parallel: s.t.recognizer.Parallel, Words: true, HotWords: s.options.HotWords,
		Vote: s.options.Pair.vote(s.t.recognizer, &s.options),
		Settled: func(segment scout.Segment) {
			if segment.Channel = s.key(); streams {
				if err := s.settle(transcribing, segment); err != nil {
					stop(err) // nobody reads it any more
				}
			}
		},
		Progress: func(p speech.Progress) { s.progress(p) },
	})
	if cause := context.Cause(transcribing); cause != nil && err != nil {
		err = cause
	}
	info := reader.Info()
	if s.channel == 1 {
		s.result.Info, s.sounds, s.channels = info, info.Sounds, info.Channels
	}
	if heard == nil {
		return nil, err
	}
	for i := range heard.Segments {
		heard.Segments[i].Channel = s.key()
	}
	s.explain(heard, info)
	return heard, err
}

// key returns the name of the current channel in segments, empty if there is only one.
func (s *split) key() string {
	if s.channels < 2 {
		return ""
	}
	return s.channel.Key(s.channels)
}

// opened takes the information about the input once its audio can be read.
func (s *split) opened(info file.Info) {
	s.channels, s.result.Info = info.Channels, info
	s.options.File.Track = file.TrackChoice{Number: info.Track} // the same each time
	if s.watch.Opened != nil {
		s.watch.Opened(s.index, info)
	}
}

// settle passes on a segment of the last channel, after the earlier segments of the others.
func (s *split) settle(ctx context.Context, segment scout.Segment) error {
	settled := &s.doc.Transcript.Segments
	for len(s.before) > 0 && s.before[0].Start <= segment.Start {
		*settled = append(*settled, s.before[0])
		s.before = s.before[1:]
	}
	*settled = append(*settled, segment)
	return s.sink.Settled(ctx, s.index, s.doc)
}

// progress reports how much of all channels is text.
func (s *split) progress(p speech.Progress) {
	done := s.result.Info.Duration * time.Duration(s.channel-1)
	p.Done = (done + p.Done) / time.Duration(s.channels)
	p.Words += s.words
	s.result.Settled = p.Done
	if s.watch.Progress != nil {
		s.watch.Progress(s.index, p)
	}
}

// explain adds the reader's warnings once, and names the channel in the decoder's warnings.
func (s *split) explain(heard *scout.Transcript, info file.Info) {
	var warnings []scout.Warning
	for _, w := range heard.Warnings {
		if w.Code == scout.WarningSilence {
			continue // remarks reports it
		}
		if s.channels > 1 {
			w.Message = audio.ChannelName(int(s.channel), s.channels) + ": " + w.Message
		}
		warnings = append(warnings, w)
	}
	for _, w := range info.Warnings {
		told := slices.ContainsFunc(s.result.Info.Warnings, func(other scout.Warning) bool { return other.Code == w.Code && other.Message == w.Message })
		if s.channel == 1 || !told {
			warnings = append(warnings, w)
			s.t.count([]scout.Warning{w})
		}
	}
	heard.Warnings = warnings
}

// add adds the text of a channel to the others.
func (s *split) add(all, heard *scout.Transcript) {
	if len(heard.Segments) > len(all.Segments) || all.Model == "" { // the language of the channel in which most was said
		all.Language, all.LanguageProb = heard.Language, heard.LanguageProb
	}
	all.Model, all.Translated, all.Duration = heard.Model, heard.Translated, max(all.Duration, heard.Duration)
	all.Segments = append(all.Segments, heard.Segments...)
	all.SetAside = append(all.SetAside, heard.SetAside...)
	all.Warnings = append(all.Warnings, heard.Warnings...)
	for i := range heard.Segments {
		s.words += len(heard.Segments[i].Words)
	}
	s.before = slices.Clone(all.Segments)
	inOrder(&scout.Transcript{Segments: s.before})
}

// remarks says which channels were not transcribed, and why.
func (s *split) remarks() []scout.Warning {
	if s.channels == 1 {
		return []scout.Warning{scout.Warnf(scout.WarningChannels, "it has one channel: there is nothing to split")}
	}
	var all []scout.Warning
	for i, sound := range s.sounds {
		name := audio.ChannelName(i+1, s.channels)
		switch {
		case sound.Silent:
			all = append(all, scout.Warnf(scout.WarningSilence, "%s holds only silence", name))
		case sound.SameAs > 0:
			all = append(all, scout.Warnf(scout.WarningChannels, "%s holds the same sound as %s: it was transcribed once",
				name, audio.ChannelName(sound.SameAs, s.channels)))
		}
	}
	return all
}

// inOrder sorts by time; at one time the lower channel comes first.
func inOrder(t *scout.Transcript) {
	slices.SortStableFunc(t.Segments, func(a, b scout.Segment) int { return int(a.Start - b.Start) })
	slices.SortStableFunc(t.SetAside, func(a, b scout.SetAside) int { return int(a.Start - b.Start) })
}

// deliver passes the text to the sink, complete or as far as it goes.
func (s *split) deliver(ctx context.Context, err error) (Result, error) {
	if err == nil {
		if err := s.sink.Finish(ctx, s.index, s.doc); err != nil {
			return s.result, err
		}
		return s.result, Incomplete(&s.result.Transcript)
	}
	keeping, cancel := lasting(ctx)
	defer cancel()
	kept, keepErr := s.sink.Abandon(keeping, s.index, s.doc)
	s.result.Kept, s.result.Shown = kept, kept == "" && keepErr == nil
	if errors.Is(keepErr, ErrNotTaken) {
		keepErr = nil // why was or will be reported
	}
	return s.result, errors.Join(err, keepErr)
}

// bounded writes at most a given number of bytes.
type bounded struct {
	w    io.Writer
	left int64
}

// Write refuses bytes beyond the limit.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, scout.Errorf(scout.CodeAudioUnsupported, "the stream is larger than %d MB, and its channels are read one after the other from a copy", int64(file.DefaultSpoolLimit)>>20).
			WithHint("save the audio to a file and name that")
	}
	return b.w.Write(p)
}

// again is an input that can be read more than once.
type again struct {
	Input
	stream io.Closer // what the first pass reads, nil if there is nothing to close
	temp   *os.File  // a copy of a stream, removed at the end
}

// repeatable returns an input for the first pass, and one for later passes: a stream is copied to a temporary file
// during the first pass.
func repeatable(ctx context.Context, in Input, tempDir string) (first Input, later again, err error) {
	if in.Path != "" {
		regular, err := checkPath(in.Path)
		if err != nil || regular {
			return in, again{Input: in}, err
		}
		stream, err := outfile.OpenInput(ctx, in.Path)
		if err != nil {
			return in, again{}, explainRead(in.Path, err)
		}
		in.Stream, in.Label, in.Path, later.stream = stream, in.Path, "", stream
	}
	// Not by atomicfile: it is read by this process and removed.
	if later.temp, err = os.CreateTemp(tempDir, "scout-*.audio"); err != nil {
		err = scout.FileError(scout.CodeWriteFailed, "copy the stream to a temporary file", err)
		return in, again{}, errors.Join(err, later.release(ctx))
	}
	later.Input = in
	later.Path, later.Stream = later.temp.Name(), nil
	in.Stream = io.TeeReader(in.Stream, &bounded{later.temp, file.DefaultSpoolLimit})
	return in, later, nil
}

// release closes and removes what was needed.
func (a *again) release(ctx context.Context) error {
	var err error
	if a.stream != nil {
		err = closeUnlessBusy(ctx, a.stream)
	}
	if a.temp != nil {
		err = errors.Join(err, a.temp.Close(), os.Remove(a.temp.Name()))
	}
	return err
}
