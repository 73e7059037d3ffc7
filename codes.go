package scout

// Code names a kind of failure. Codes are part of the public contract: they appear in metrics as
// the label "code", in logs, in JSON output and in API bodies, and are never renamed.
type Code string

// Class says what can be done about a failure. Retries, breakers and jobs all use this one classification.
type Class int

const (
	// Permanent failures happen again however often the call is repeated.
	Permanent Class = iota
	// Transient failures may go away by themselves: a later attempt can succeed.
	Transient
	// Cancelled means that somebody asked to stop: neither a success nor a failure.
	Cancelled
)

// String returns the class in lower case, as logs and JSON show it.
func (c Class) String() string {
	switch c {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Cancelled:
		return "cancelled"
	}
	return "unknown"
}

// Error codes. Each has an entry in the table below; a test checks this.
const (
	// CodeInternal is a defect of Scout, for example a recovered panic.
	CodeInternal Code = "internal"
	// CodeCancelled is a caller's wish to stop.
	CodeCancelled Code = "cancelled"
	// CodeDeadlineExceeded is a time limit that ran out, set by the caller.
	CodeDeadlineExceeded Code = "deadline_exceeded"
	// CodeInvalidArgument is a request that can never be carried out as asked.
	CodeInvalidArgument Code = "invalid_argument"
	// CodeOutOfMemory is memory that the system, or one of its limits, does not grant.
	CodeOutOfMemory Code = "out_of_memory"
	// CodeOpenFiles is a limit on open files that has been reached.
	CodeOpenFiles Code = "too_many_open_files"
	// CodeProcesses is a limit on processes and threads that has been reached.
	CodeProcesses Code = "too_many_processes"
	// CodeBusy is a queue that is full: the error says after how long to try again.
	CodeBusy Code = "busy"
	// CodeConfigInvalid is a setting that cannot be used.
	CodeConfigInvalid Code = "config_invalid"

	// CodeFileNotFound is a path that does not exist, or vanished while being read.
	CodeFileNotFound Code = "file_not_found"
	// CodeFilePermission is a path that may not be read or written.
	CodeFilePermission Code = "file_permission"
	// CodeFileIsDirectory is a directory where a file was expected.
	CodeFileIsDirectory Code = "file_is_directory"
	// CodeDiskFull is a disk without free space.
	CodeDiskFull Code = "disk_full"
	// CodeReadFailed is an input that broke while it was being read.
	CodeReadFailed Code = "read_failed"
	// CodeWriteFailed is an output that could not be written.
	CodeWriteFailed Code = "write_failed"

	// CodeManifestInvalid is a list of clips or a stored result that cannot be used for a benchmark.
	CodeManifestInvalid Code = "manifest_invalid"

	// CodeAudioEmpty is an input without a single frame of audio.
	CodeAudioEmpty Code = "audio_empty"
	// CodeAudioCorrupt is audio whose bytes contradict its own format.
	CodeAudioCorrupt Code = "audio_corrupt"
	// CodeAudioUnsupported is a format, rate or channel count that Scout does not read.
	CodeAudioUnsupported Code = "audio_unsupported"
	// CodeAudioInvalidSamples is audio with NaN or infinite samples that cannot be repaired.
	CodeAudioInvalidSamples Code = "audio_invalid_samples"
	// CodeAudioTooShort is less audio than a text can be made of.
	CodeAudioTooShort Code = "audio_too_short"
	// CodeAudioTooLong is more audio in one request than the engine takes.
	CodeAudioTooLong Code = "audio_too_long"
	// CodeAudioSetAside is a stretch of audio that ended the engine twice and was left out.
	CodeAudioSetAside Code = "audio_set_aside"
	// CodeTextLost is a stretch of speech in which the model found no words, or only repeated itself.
	CodeTextLost Code = "text_lost"
	// CodeDecoderMissing is a format that needs ffmpeg on a machine without it.
	CodeDecoderMissing Code = "decoder_missing"
	// CodeDecoderTimeout is an external decoder that passed its deadline.
	CodeDecoderTimeout Code = "decoder_timeout"

	// CodeNoDevice is a machine without any device to record from.
	CodeNoDevice Code = "no_device"
	// CodeDeviceNotFound is a device that does not exist, or is not plugged in.
	CodeDeviceNotFound Code = "device_not_found"
	// CodeDeviceUnavailable is a device that exists and cannot be opened.
	CodeDeviceUnavailable Code = "device_unavailable"
	// CodeDeviceTimeout is a device that was opened and delivered nothing within the deadline.
	CodeDeviceTimeout Code = "device_timeout"
	// CodeDevicePermission is a device or sound server that this user may not use.
	CodeDevicePermission Code = "device_permission"
	// CodeDeviceLost is a device that went away while it was being recorded.
	CodeDeviceLost Code = "device_lost"
	// CodeSoundServer is a sound server that cannot be reached.
	CodeSoundServer Code = "sound_server_unavailable"
	// CodeAlreadyRecording is a start while a recording is under way.
	CodeAlreadyRecording Code = "already_recording"
	// CodeNotRecording is a stop without a recording.
	CodeNotRecording Code = "not_recording"

	// CodeModelUnknown is an id that is neither in the catalogue nor a model of the user's own.
	CodeModelUnknown Code = "model_unknown"
	// CodeModelNotInstalled is a known model whose files are not on this machine.
	CodeModelNotInstalled Code = "model_not_installed"
	// CodeModelCorrupt is a model with missing, truncated or altered files.
	CodeModelCorrupt Code = "model_corrupt"
	// CodeModelUnsupported is a model that this engine cannot run.
	CodeModelUnsupported Code = "model_unsupported"
	// CodeModelLanguage is a language that the model does not know.
	CodeModelLanguage Code = "model_language"
	// CodeModelDownload is a download that failed and may work later.
	CodeModelDownload Code = "model_download_failed"
	// CodeModelSource is a source that answered, but not with the file asked for.
	CodeModelSource Code = "model_source_invalid"
	// CodeModelInUse is a model that cannot be removed because it is the selected one.
	CodeModelInUse Code = "model_in_use"

	// CodeEngineMissing is an engine program or shared library that is not where it should be.
	CodeEngineMissing Code = "engine_missing"
	// CodeEngineStart is an engine that ended or reported an error before it was ready.
	CodeEngineStart Code = "engine_start_failed"
	// CodeEngineLoadTimeout is an engine that was not ready within the load deadline.
	CodeEngineLoadTimeout Code = "engine_load_timeout"
	// CodeEngineCrashed is an engine that ended in the middle of a request.
	CodeEngineCrashed Code = "engine_crashed"
	// CodeEngineTimeout is a request that passed its deadline; the engine was killed.
	CodeEngineTimeout Code = "engine_timeout"
	// CodeEngineProtocol is an engine that answered with bytes outside the protocol.
	CodeEngineProtocol Code = "engine_protocol"
	// CodeEngineMemory is an engine that outgrew its memory limit and was killed.
	CodeEngineMemory Code = "engine_memory"
	// CodeEngineFailed is an error that the engine reported for one request.
	CodeEngineFailed Code = "engine_failed"
	// CodeEngineUnavailable is an engine with an open breaker: the work has to wait.
	CodeEngineUnavailable Code = "engine_unavailable"
	// CodeEngineClosed is a call after shutdown began.
	CodeEngineClosed Code = "engine_closed"

	// CodeRecordingNotFound is an id without a recording in the folder.
	CodeRecordingNotFound Code = "recording_not_found"
	// CodeRecordingCorrupt is a recording whose file contradicts its manifest or its checksum.
	CodeRecordingCorrupt Code = "recording_corrupt"
	// CodeRecordingInUse is a recording that cannot be changed while it is being recorded.
	CodeRecordingInUse Code = "recording_in_use"
	// CodeRecordingLocked is a folder of recordings that another program uses.
	CodeRecordingLocked Code = "recording_locked"
	// CodeRecordingForeign is a file among the recordings that Scout did not make.
	CodeRecordingForeign Code = "recording_foreign"
	// CodeRecordingLost is a recording whose file was deleted, moved or replaced and could not be saved again
	// completely.
	CodeRecordingLost Code = "recording_lost"
	// CodeDiskStalled is a disk that does not answer.
	CodeDiskStalled Code = "disk_stalled"
	// CodeDiskLow is a disk with too little free space to start a recording.
	CodeDiskLow Code = "disk_low"
	// CodeRecorderUnreachable is a recorder process that does not answer.
	CodeRecorderUnreachable Code = "recorder_unreachable"
	// CodeRecorderStart is a recorder process that ended before it was ready.
	CodeRecorderStart Code = "recorder_start_failed"
	// CodeRecorderMissing is a recorder program that is not where it should be.
	CodeRecorderMissing Code = "recorder_missing"
	// CodeRecorderProtocol is a recorder process that spoke outside the protocol.
	CodeRecorderProtocol Code = "recorder_protocol"
	// CodeSocketTaken is a place for a socket at which there is something that Scout did not make.
	CodeSocketTaken Code = "socket_taken"
	// CodeRecorderEnvironment is a recorder process that was started with another sound server, language or log.
	CodeRecorderEnvironment Code = "recorder_environment"

	// CodeNotFound is a thing of the store that does not exist: a transcript, a version.
	CodeNotFound Code = "not_found"
	// CodeConflict is a change that the state of a thing forbids.
	CodeConflict Code = "conflict"
	// CodePreconditionFailed is a change of something that somebody else changed meanwhile.
	CodePreconditionFailed Code = "precondition_failed"
	// CodeStoreLocked is a database that another program uses.
	CodeStoreLocked Code = "store_locked"
	// CodeStoreCorrupt is a database with damaged or missing pages.
	CodeStoreCorrupt Code = "store_corrupt"
	// CodeStoreNewer is a database that a later version of Scout has written.
	CodeStoreNewer Code = "store_newer"
	// CodeStoreForeign is a file in the place of the database that Scout did not make.
	CodeStoreForeign Code = "store_foreign"
	// CodeStoreUnsafe is a file system without the locks that keep two programs from writing the same files.
	CodeStoreUnsafe Code = "store_unsafe"

	// CodeTextLate is a dictation that has ended and whose text is not complete.
	CodeTextLate Code = "text_late"
	// CodeTooSlow is a second pass over a dictation that could not keep up with it.
	CodeTooSlow Code = "too_slow"
	// CodeNoDisplay is a session without an X server that text could be inserted through.
	CodeNoDisplay Code = "no_display"
	// CodeNoWindow is a desktop on which no window has the keyboard focus.
	CodeNoWindow Code = "no_window"
	// CodeNotInserted is a window that did not take a text.
	CodeNotInserted Code = "not_inserted"
	// CodeNoClipboard is a machine on which no program puts text on the clipboard.
	CodeNoClipboard Code = "no_clipboard"

	// CodeDaemonRunning is a daemon that cannot start because another one serves the data folder.
	CodeDaemonRunning Code = "daemon_running"
	// CodeDaemonStart is a daemon that ended, or was not ready in time, when a command started it.
	CodeDaemonStart Code = "daemon_start_failed"
	// CodeDaemonUnreachable is a daemon that does not answer.
	CodeDaemonUnreachable Code = "daemon_unreachable"
	// CodeDaemonOther is a daemon that works with other folders than the command names.
	CodeDaemonOther Code = "daemon_other"

	// CodeAddressTaken is an address for clients that the daemon cannot use, because another program does or it is not this machine's.
	CodeAddressTaken Code = "address_taken"
	// CodeCertificateInvalid is a certificate of TLS that cannot be used: by the daemon that should show it, or by a client that was shown it.
	CodeCertificateInvalid Code = "certificate_invalid"

	// CodePermissionDenied is a client that may not do what it asks for.
	CodePermissionDenied Code = "permission_denied"
	// CodeInvalidAPIKey is a request without a key where one is needed, or with one that is not known.
	CodeInvalidAPIKey Code = "invalid_api_key"
	// CodeHostNotAllowed is a request to a name that is not this machine's.
	CodeHostNotAllowed Code = "host_not_allowed"
	// CodeOriginNotAllowed is a request that a page of another site sent.
	CodeOriginNotAllowed Code = "origin_not_allowed"
	// CodeUnknownURL is a path that the API does not have.
	CodeUnknownURL Code = "unknown_url"
	// CodeMethodNotAllowed is a method that the path does not have.
	CodeMethodNotAllowed Code = "method_not_allowed"
	// CodeMediaType is a body in another form than the operation takes.
	CodeMediaType Code = "unsupported_media_type"
	// CodeRequestTimeout is a request whose body stopped coming.
	CodeRequestTimeout Code = "request_timeout"
	// CodeRequestTooLarge is a request with too many bytes.
	CodeRequestTooLarge Code = "request_too_large"
	// CodeIdempotencyKey is a key that was used for another request before.
	CodeIdempotencyKey Code = "idempotency_key_reused"
	// CodeRange is a part of a file that lies outside of it.
	CodeRange Code = "range_not_satisfiable"
	// CodeGone is a thing that was there and is not any more.
	CodeGone Code = "gone"
	// CodeRateLimit is a client with too many requests or streams.
	CodeRateLimit Code = "rate_limit_exceeded"
	// CodeQueueFull is a queue with as many jobs as it takes.
	CodeQueueFull Code = "queue_full"
	// CodeWebhookFailed is an event that its receiver did not take.
	CodeWebhookFailed Code = "webhook_failed"
	// CodeUploadLocked is an upload that another request writes.
	CodeUploadLocked Code = "upload_locked"
	// CodeImportForeign is a file to import that is no database of the original Scout.
	CodeImportForeign Code = "import_foreign"
	// CodeImportCorrupt is a damaged database of the original Scout.
	CodeImportCorrupt Code = "import_corrupt"
	// CodeCrashLoop is a job that ended the daemon again and again.
	CodeCrashLoop Code = "crash_loop"
	// CodeUnavailable is a daemon that is starting or stopping.
	CodeUnavailable Code = "unavailable"
)

// CodeInfo is what is known about a code in general.
type CodeInfo struct {
	// Class is the default class of errors with this code.
	Class Class
	// Hint says what the user can do; empty if nothing helps in general.
	Hint string
}

var codeTable = map[Code]CodeInfo{
	CodeInternal:         {Permanent, "this is a defect in Scout: please report it together with the log"},
	CodeCancelled:        {Cancelled, ""},
	CodeDeadlineExceeded: {Transient, "try again, or allow more time"},
	CodeInvalidArgument:  {Permanent, "see --help"},
	CodeOutOfMemory:      {Transient, "close other programs, or allow more memory: see ulimit -v and the limits of the container"},
	CodeOpenFiles:        {Transient, "raise the limit, for example: ulimit -n 1024"},
	CodeProcesses:        {Transient, "close other programs, or raise the limit: see ulimit -u and the limits of the container"},
	CodeBusy:             {Transient, "try again later"},
	CodeConfigInvalid:    {Permanent, "see each setting and where its value comes from: scout settings show"},

	CodeFileNotFound:    {Permanent, "check the path"},
	CodeFilePermission:  {Permanent, "check the owner and mode of the file and its folder"},
	CodeFileIsDirectory: {Permanent, "name the files in the folder, for example DIR/*.wav"},
	CodeDiskFull:        {Transient, "free some space on the disk, then try again"},
	CodeReadFailed:      {Transient, "check the device or connection that holds the file"},
	CodeWriteFailed:     {Transient, "check the device or connection that holds the file"},

	CodeManifestInvalid: {Permanent, "the format is described in docs/formats/bench.md"},

	CodeAudioEmpty:          {Permanent, "the file holds no audio"},
	CodeAudioCorrupt:        {Permanent, "play the file to check it; copy it again from its source"},
	CodeAudioUnsupported:    {Permanent, "convert it first, for example: ffmpeg -i IN -ac 1 -ar 16000 OUT.wav"},
	CodeAudioInvalidSamples: {Permanent, "the audio holds values that are not numbers: export it again"},
	CodeAudioTooShort:       {Permanent, "send at least a tenth of a second"},
	CodeAudioTooLong:        {Permanent, "send shorter pieces"},
	CodeAudioSetAside:       {Permanent, "the rest was transcribed; the audio itself is untouched"},
	CodeTextLost:            {Permanent, "listen to that part; another model may understand it: scout models list"},
	CodeDecoderMissing:      {Permanent, "install ffmpeg (Debian: apt-get install ffmpeg), or convert the file to WAV or FLAC"},
	CodeDecoderTimeout:      {Transient, "convert the file to WAV or FLAC first"},

	CodeNoDevice:          {Transient, "plug in a microphone, then: scout devices"},
	CodeDeviceNotFound:    {Transient, "list the devices: scout devices"},
	CodeDeviceUnavailable: {Transient, "another program may be using it: close that program, or choose another device with --device"},
	CodeDeviceTimeout:     {Transient, "check that the system has not muted or suspended it, or choose another device with --device"},
	CodeDevicePermission:  {Permanent, "allow this user to record: on Linux, add the user to the group audio; elsewhere, see the privacy settings"},
	CodeDeviceLost:        {Transient, "plug it in again: recording continues by itself"},
	CodeSoundServer:       {Transient, "start PulseAudio or PipeWire as this user, and check XDG_RUNTIME_DIR"},
	CodeAlreadyRecording:  {Permanent, "stop the recording first"},
	CodeNotRecording:      {Permanent, "start a recording first: scout record"},

	CodeModelUnknown:      {Permanent, "see the known models: scout models list"},
	CodeModelNotInstalled: {Permanent, "install it: scout models pull MODEL"},
	CodeModelCorrupt:      {Permanent, "install it again: scout models pull MODEL"},
	CodeModelUnsupported:  {Permanent, "choose another model: scout models list"},
	CodeModelLanguage:     {Permanent, "choose a model that knows the language: scout models list"},
	CodeModelDownload:     {Transient, "run the same command again: it resumes where it stopped"},
	CodeModelSource:       {Permanent, "use another source: scout models pull MODEL --from DIR-OR-URL"},
	CodeModelInUse:        {Permanent, "select another model first: scout models use MODEL"},

	CodeEngineMissing:     {Permanent, "build it with: make build; or keep scout-engine and its lib folder beside scout"},
	CodeEngineStart:       {Transient, "check the model: scout models verify"},
	CodeEngineLoadTimeout: {Transient, "the machine may be busy: try again"},
	CodeEngineCrashed:     {Transient, "the engine restarts by itself"},
	CodeEngineTimeout:     {Transient, "the engine restarts by itself"},
	CodeEngineProtocol:    {Transient, "scout and scout-engine must come from the same build"},
	CodeEngineMemory:      {Transient, "choose a smaller model, or allow more memory"},
	CodeEngineFailed:      {Permanent, ""},
	CodeEngineUnavailable: {Transient, "the engine failed several times and is paused: try again in a minute"},
	CodeEngineClosed:      {Cancelled, ""},

	CodeRecordingNotFound:   {Permanent, "see the recordings: scout recordings list"},
	CodeRecordingCorrupt:    {Permanent, "repair what can be repaired: scout recordings recover"},
	CodeRecordingInUse:      {Transient, "stop the recording first"},
	CodeRecordingLocked:     {Transient, "stop the other program, or choose another folder"},
	CodeRecordingForeign:    {Permanent, "move the file out of the folder of recordings"},
	CodeRecordingLost:       {Permanent, "look for the file where it was moved, or in the desktop's trash"},
	CodeDiskStalled:         {Transient, "check the disk, or the network it is on: dmesg, mount"},
	CodeDiskLow:             {Transient, "free some space on the disk, or choose another folder"},
	CodeRecorderUnreachable: {Transient, "nothing is lost: the next command finds it or starts a new one"},
	CodeRecorderStart:       {Transient, "see recorder.log in the folder of recordings"},
	CodeRecorderMissing:     {Permanent, "build it with: make build; or keep scout-recorder beside scout"},
	CodeRecorderEnvironment: {Permanent, "stop the recording first; the next one gets a recorder of its own"},
	CodeSocketTaken:         {Permanent, "move away what is there, or choose another folder: --data-dir, --recordings-dir"},
	CodeRecorderProtocol:    {Permanent, "stop the recording with the program that started it, or use the same version"},

	CodeNotFound:           {Permanent, "see the transcripts: scout transcripts list"},
	CodeConflict:           {Permanent, "look at its state first: scout recordings show ID"},
	CodePreconditionFailed: {Permanent, "read it again, then repeat the change"},
	CodeStoreLocked:        {Transient, "end the other program that uses the database, then try again"},
	CodeStoreCorrupt:       {Permanent, "restore a backup: scout restore FILE; or save what can be read: scout check --rescue FILE"},
	CodeStoreNewer:         {Permanent, "use the version of Scout that wrote it, or a later one"},
	CodeStoreForeign:       {Permanent, "move the file away, or choose another folder with --data-dir"},
	CodeStoreUnsafe:        {Permanent, "choose a folder on a local disk: --data-dir, --recordings-dir"},

	CodeTextLate:    {Transient, "a little later: scout dictate --last"},
	CodeTooSlow:     {Permanent, "close other programs; scout settings set dictation.second_pass off leaves the second pass out"},
	CodeNoDisplay:   {Permanent, "run Scout in a session of X11; the last text: scout dictate --last"},
	CodeNoWindow:    {Permanent, "click where the text belongs; the last text: scout dictate --last"},
	CodeNotInserted: {Permanent, "the last text: scout dictate --last"},
	CodeNoClipboard: {Permanent, "install wl-clipboard (Wayland) or xclip (X11)"},

	CodeDaemonRunning:     {Permanent, "use the daemon that runs, or end it: scout serve stop"},
	CodeDaemonStart:       {Transient, "see daemon.log in the data folder, or start it in the foreground: scout serve"},
	CodeDaemonUnreachable: {Transient, "start it again: scout serve restart"},
	CodeDaemonOther:       {Permanent, "use the same settings for both, or start the daemon again: scout serve restart"},
	CodeAddressTaken:      {Permanent, "use another address: --addr or the setting http.addr"},

	CodeCertificateInvalid: {Permanent, "see what there is: scout tls show"},

	CodePermissionDenied: {Permanent, "ask the owner of this Scout"},
	CodeInvalidAPIKey:    {Permanent, "send a key: Authorization: Bearer KEY; to make one: scout keys create NAME"},
	CodeHostNotAllowed:   {Permanent, "use localhost, an address or the name of the machine; or add the name: scout settings set http.allowed_hosts NAME"},
	CodeOriginNotAllowed: {Permanent, "allow the page: scout settings set http.allowed_origins ORIGIN, then: scout serve restart"},
	CodeUnknownURL:       {Permanent, "see docs/formats/api.md"},
	CodeMethodNotAllowed: {Permanent, "the header Allow lists the methods of this path"},
	CodeMediaType:        {Permanent, "send JSON, with Content-Type: application/json"},
	CodeRequestTimeout:   {Transient, "send the request again"},
	CodeRequestTooLarge:  {Permanent, "send less at once"},
	CodeIdempotencyKey:   {Permanent, "use a new key for a new request"},
	CodeRange:            {Permanent, "ask for a range within the file; the header Content-Range has its size"},
	CodeGone:             {Permanent, "read the list again: it is not there any more"},
	CodeRateLimit:        {Transient, "try again later"},
	CodeWebhookFailed:    {Transient, "see the answers of the receiver: scout webhooks deliveries ID; send one again: scout webhooks redeliver ID N"},
	CodeUploadLocked:     {Transient, "try again in a moment"},
	CodeImportForeign:    {Permanent, "name the file scout.db of the original Scout"},
	CodeImportCorrupt:    {Permanent, "copy the file again while the original Scout is not running, or try: sqlite3 scout.db .recover"},
	CodeQueueFull:        {Transient, "try again later, or cancel jobs: scout jobs cancel"},
	CodeCrashLoop:        {Permanent, "see daemon.log in the data folder, then try it again: scout jobs retry"},
	CodeUnavailable:      {Transient, "try again in a second"},
}

// Info returns what is known about the code. An unknown code counts as permanent, without a hint.
func (c Code) Info() CodeInfo { return codeTable[c] }

// Known tells whether there is such a code.
func (c Code) Known() bool {
	_, known := codeTable[c]
	return known
}

// Codes returns every known code, in no particular order.
func Codes() []Code {
	all := make([]Code, 0, len(codeTable))
	for c := range codeTable {
		all = append(all, c)
	}
	return all
}
