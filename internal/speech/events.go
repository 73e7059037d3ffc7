package speech

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventTranscriptionStarted  = "transcription_started"
	eventTranscriptionFinished = "transcription_finished"
	eventTranscriptionFailed   = "transcription_failed"
	eventPieceSetAside         = "piece_set_aside"
	eventPieceDecodedAgain     = "piece_decoded_again"
	eventTextLost              = "text_lost"
	eventTextKept              = "text_kept"
	eventLanguageChanged       = "language_changed"
	eventWordsVoted            = "words_voted"
	eventVoteFailed            = "word_vote_failed"
	eventLiveBehind            = "live_behind"
	eventLiveCaughtUp          = "live_caught_up"
)
