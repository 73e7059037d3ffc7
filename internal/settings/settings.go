// Package settings defines the settings of Scout and reads them: defaults, overridden by the settings file, then by the
// environment, then by the flags that were given. It is strict: a wrong name, type or value is an error that says where
// it is and what is allowed. Only commands and the daemon import it; packages below get plain values.
//
// docs/formats/settings.md lists all settings. Source: docs/adr/0040-settings.md.
package settings

import (
	"time"

	"github.com/scout-speech/scout"
)

// Settings are the values of all settings. The tags of a setting's group and of the setting make its name: log.level.
// Its variable is SCOUT_LOG__LEVEL; some have an older one too (the tag old). The other tags:
//
//	about   one sentence for scout settings show and docs/formats/settings.md
//	unset   what Scout uses while a text is empty
//	want    the allowed words, separated by spaces
//	min,max the range of a number
//	zero    the word that is written for 0
//	is      what a text names: a folder, a file, a program (all paths), an address (http or https), or one of networkForms
type Settings struct {
	Data       Data       `koanf:"data"`
	Models     Models     `koanf:"models"`
	Recordings Recordings `koanf:"recordings"`
	Record     Record     `koanf:"record"`
	Transcribe Transcribe `koanf:"transcribe"`
	Dictation  Dictation  `koanf:"dictation"`
	Insert     Insert     `koanf:"insert"`
	Log        Log        `koanf:"log"`
	Trace      Trace      `koanf:"trace"`
	Programs   Programs   `koanf:"programs"`
	Daemon     Daemon     `koanf:"daemon"`
	Engine     Engine     `koanf:"engine"`
	Retention  Retention  `koanf:"retention"`
	HTTP       HTTP       `koanf:"http"`
	TLS        TLS        `koanf:"tls"`
	Auth       Auth       `koanf:"auth"`
	Limits     Limits     `koanf:"limits"`
	Live       Live       `koanf:"live"`
	Uploads    Uploads    `koanf:"uploads"`
	Exports    Exports    `koanf:"exports"`
	Metrics    Metrics    `koanf:"metrics"`
	Webhooks   Webhooks   `koanf:"webhooks"`
	Health     Health     `koanf:"health"`
	API        API        `koanf:"api"`
}

// Data is about everything that Scout keeps. Loaded.DataDir and its neighbours return the folders.
type Data struct {
	Dir string `koanf:"dir" old:"SCOUT_DATA" is:"folder" unset:"$XDG_DATA_HOME/scout, else ~/.local/share/scout" about:"Folder of everything that Scout keeps. Models and recordings are in it unless they have folders of their own."`
}

// Models is about installed models.
type Models struct {
	Dir      string  `koanf:"dir" old:"SCOUT_MODELS" is:"folder" unset:"models in data.dir; in a checkout var/models" about:"Folder of installed models."`
	Fast     string  `koanf:"fast" unset:"the one chosen with scout models use, else moonshine-tiny-en" about:"Model that writes while one speaks."`
	Accurate string  `koanf:"accurate" unset:"the one chosen with scout models use, else whisper-base where it is installed, else models.fast" about:"Model for files, and for languages that models.fast does not know."`
	Aliases  Aliases `koanf:"aliases"`
}

// Aliases are the models for OpenAI's names of models, which clients of /v1 send.
type Aliases struct {
	Whisper1         string `koanf:"whisper-1" unset:"as if no model were named" about:"Model for the name whisper-1 of OpenAI."`
	Transcribe       string `koanf:"gpt-transcribe" unset:"as if no model were named" about:"Model for the name gpt-transcribe of OpenAI."`
	Transcribe4o     string `koanf:"gpt-4o-transcribe" unset:"as if no model were named" about:"Model for the name gpt-4o-transcribe of OpenAI."`
	MiniTranscribe   string `koanf:"gpt-4o-mini-transcribe" unset:"as if no model were named" about:"Model for the name gpt-4o-mini-transcribe of OpenAI."`
	MiniTranscribe25 string `koanf:"gpt-4o-mini-transcribe-2025-12-15" unset:"as if no model were named" about:"Model for the name gpt-4o-mini-transcribe-2025-12-15 of OpenAI."`
	Diarize          string `koanf:"gpt-4o-transcribe-diarize" unset:"as if no model were named" about:"Model for the name gpt-4o-transcribe-diarize of OpenAI."`
	LiveTranscribe   string `koanf:"gpt-live-transcribe" unset:"as if no model were named" about:"Model for the name gpt-live-transcribe of OpenAI."`
	RealtimeWhisper  string `koanf:"gpt-realtime-whisper" unset:"as if no model were named" about:"Model for the name gpt-realtime-whisper of OpenAI."`
}

// Recordings is about recordings.
type Recordings struct {
	Dir string `koanf:"dir" old:"SCOUT_RECORDINGS" is:"folder" unset:"recordings in data.dir" about:"Folder of recordings."`
}

// Record is about recording; each is the default of a flag of scout record.
type Record struct {
	Device   string        `koanf:"device" old:"SCOUT_DEVICE" unset:"the system's" about:"Device to record from: an id, a name or a part of one (see scout devices)."`
	Rate     int           `koanf:"rate" min:"8000" max:"192000" about:"Sample rate of recordings in Hz."`
	Channels int           `koanf:"channels" min:"1" max:"64" about:"Channels of recordings."`
	Format   string        `koanf:"format" want:"s16 s24 f32" about:"Samples of recordings."`
	OnLoss   string        `koanf:"on_loss" want:"auto follow default" about:"What happens while the device is away: follow waits for it, default continues with the system's, auto follows one that was named."`
	Preroll  time.Duration `koanf:"preroll" about:"How much audio from before the start a recording keeps, if the microphone was warm."`
}

// Transcribe is about turning speech into text.
type Transcribe struct {
	Model          string `koanf:"model" old:"SCOUT_MODEL" unset:"models.accurate for files, models.fast for dictation" about:"Model for everything, whatever its role."`
	Threads        int    `koanf:"threads" min:"1" max:"64" about:"Processor threads for inference."`
	Effort         string `koanf:"effort" want:"quick normal thorough" about:"How often doubtful parts are decoded again: never, once, or more often."`
	Vote           string `koanf:"vote" want:"off on" about:"Whether, with the effort thorough, words of the fast model win in English where it is surer than the accurate one and both models together agree."`
	Progressive    string `koanf:"progressive" want:"off on" about:"Whether a job first makes the text of the fast model, as version 1, and then that of the accurate one."`
	SecondLook     string `koanf:"second_look" want:"off on" about:"Whether recordings that only have a text of the fast model get one of the accurate model when the machine is idle and on mains power."`
	SecondLookDays int    `koanf:"second_look_days" min:"1" max:"365" about:"How many days old such a recording may be."`
}

// Dictation is about live text.
type Dictation struct {
	Language string `koanf:"language" old:"SCOUT_LANGUAGE" unset:"the system's; English where that names none" about:"Language that is dictated: a code such as en or de, or auto."`
	Warm     string `koanf:"warm" want:"off on" about:"Whether the microphone stays open for 10 minutes after a dictation, so that the next one has the word spoken just before it began. That sound stays in memory."`
	// SecondPass is described in docs/adr/0111-second-pass.md.
	SecondPass string `koanf:"second_pass" want:"on off" about:"Whether models.accurate hears a dictation too, while models.fast writes it: a better version of the text comes a moment after the stop."`
}

// Insert is about text that goes into a window, onto the clipboard or into a pipe.
type Insert struct {
	Wait time.Duration `koanf:"wait" about:"How long after the end of a dictation its text waits for the second pass before it is inserted; 0s inserts the first text at once."`
}

// Log is about the program's log.
type Log struct {
	Level  string `koanf:"level" old:"SCOUT_LOG_LEVEL" want:"debug info warn error" unset:"info with a log file, else no log" about:"Lowest severity that is logged."`
	Format string `koanf:"format" old:"SCOUT_LOG_FORMAT" want:"text json" about:"Format of the lines of the log."`
	File   string `koanf:"file" old:"SCOUT_LOG_FILE" is:"file" unset:"standard error" about:"File that the log is appended to, with rotation."`
}

// Trace is about OpenTelemetry.
type Trace struct {
	Endpoint string `koanf:"endpoint" old:"SCOUT_TRACE_ENDPOINT" is:"address" unset:"no traces" about:"OTLP/HTTP address that traces are sent to."`
}

// Programs are where the other programs of Scout are.
type Programs struct {
	Engine   string `koanf:"engine" old:"SCOUT_ENGINE" is:"program" unset:"beside scout, or where make install puts it" about:"The program scout-engine, which runs models."`
	Recorder string `koanf:"recorder" old:"SCOUT_RECORDER" is:"program" unset:"beside scout, or where make install puts it" about:"The program scout-recorder, which records."`
}

// Daemon is about the process that stays: scout serve.
type Daemon struct {
	Idle time.Duration `koanf:"idle" about:"How long a daemon that a command started keeps running when nothing is open; 0s for ever."`
}

// Engine is about the processes that run models for the daemon.
type Engine struct {
	Idle time.Duration `koanf:"idle" about:"How long the daemon keeps a model in memory after its last use, models.accurate at most a minute; 0s for as long as the daemon runs."`
}

// Live is about sound that pages and programs send while it is made.
type Live struct {
	ResumeSeconds int `koanf:"resume_seconds" min:"1" max:"86400" about:"Seconds for which a session whose connection broke waits for the next one, before it ends with what came."`
}

// Uploads is about files that clients send.
type Uploads struct {
	Keep time.Duration `koanf:"keep" about:"How long an upload that is not complete waits for its next byte."`
}

// Exports is about files of many recordings.
type Exports struct {
	Keep time.Duration `koanf:"keep" about:"How long the file of an export is kept."`
}

// Webhooks is about telling other programs of events.
type Webhooks struct {
	Keep time.Duration `koanf:"keep" about:"How long a delivery to a webhook is kept that has ended."`
}

// Health is about how Scout finds out whether it works.
type Health struct {
	StartSelfTest string        `koanf:"start_selftest" want:"off on" about:"Whether the daemon decodes a known clip at its start, to know that it can. If it does not, the engine is Unknown until something was transcribed."`
	ColdSelfTest  time.Duration `koanf:"cold_selftest" about:"After how long without any transcription the daemon decodes a known clip, to know that it still can; 0s for never. It does so after a failure in any case."`
}

// API is about the paths for clients of OpenAI.
type API struct {
	Keep string `koanf:"keep" want:"none text all" about:"What stays of a request below /v1: nothing, its text, or its text and its audio."`
}

// Retention is about how long things are kept.
type Retention struct {
	AudioDays int `koanf:"audio_days" min:"0" max:"36500" about:"Days after which the audio of a dictation is removed, counted from the last change of its text; 0 for never. Text is kept, and so is audio without a text."`
	TrashDays int `koanf:"trash_days" min:"0" max:"36500" about:"Days after which what lies in the trash is removed for good; 0 for never."`
}

// Audio is how long the audio of dictations is kept; 0 is for ever.
func (r Retention) Audio() time.Duration { return time.Duration(r.AudioDays) * 24 * time.Hour }

// Trash is how long what lies in the trash is kept; 0 is for ever.
func (r Retention) Trash() time.Duration { return time.Duration(r.TrashDays) * 24 * time.Hour }

// Default returns the default settings.
func Default() Settings {
	return Settings{
		Record:     Record{Rate: 16000, Channels: 1, Format: "s16", OnLoss: "auto", Preroll: 500 * time.Millisecond},
		Transcribe: Transcribe{Threads: 1, Effort: "normal", Vote: "on", Progressive: "off", SecondLook: "on", SecondLookDays: 7},
		Dictation:  Dictation{Warm: "off", SecondPass: "on"},
		Insert:     Insert{Wait: 400 * time.Millisecond},
		Log:        Log{Format: "text"},
		Daemon:     Daemon{Idle: 10 * time.Minute},
		Engine:     Engine{Idle: 5 * time.Minute},
		Retention:  Retention{AudioDays: 30, TrashDays: 30},
		HTTP:       HTTP{Addr: "127.0.0.1:7268"},
		TLS:        TLS{Mode: "off", KeepCAKey: "off"},
		Auth:       Auth{Loopback: "open"},
		Limits:     Limits{CPUPercent: 80, UploadBytes: 2 << 30, AudioSeconds: 12 * 60 * 60, LiveSessions: 32, RealtimeUnheardSeconds: 3600, Streams: 256, StreamsPerClient: 32, SyncWaitSeconds: 60, RequestSeconds: 3600},
		Live:       Live{ResumeSeconds: 600},
		Uploads:    Uploads{Keep: 24 * time.Hour},
		Exports:    Exports{Keep: 24 * time.Hour},
		Webhooks:   Webhooks{Keep: 7 * 24 * time.Hour},
		Health:     Health{StartSelfTest: "on"},
		API:        API{Keep: "none"},
	}
}

// Validate returns what is wrong with the values, nil if all are valid. The problems have no origin.
func (s Settings) Validate() []Problem {
	var problems []Problem
	for _, f := range fields(s) {
		if _, err := f.check(f.value); err != nil {
			problems = append(problems, Problem{Setting: f.name, Text: f.name + " " + scout.Plain(err)})
		}
	}
	return problems
}
