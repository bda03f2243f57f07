package daemon

import (
	"fmt"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zkd/daemon/config"
	"zkd/daemon/sd"
)

// newLogger builds the logger that the configuration describes, on standard error, and the level
// that a reload can change. Format auto is the journal's own under systemd, lines for people on a
// terminal, JSON for everything else.
func newLogger(c config.Log) (*zap.Logger, zap.AtomicLevel, error) {
	level := zap.NewAtomicLevel()
	if err := setLevel(level, c.Level); err != nil {
		return nil, level, err
	}
	format := c.Format
	if format == "auto" {
		switch {
		case sd.StderrIsJournal():
			format = "journal"
		case IsTerminal(os.Stderr):
			format = "console"
		default:
			format = "json"
		}
	}
	var core zapcore.Core
	out := zapcore.Lock(os.Stderr)
	switch format {
	case "journal":
		core = sd.JournalCore(level)
	case "console":
		core = zapcore.NewCore(zapcore.NewConsoleEncoder(consoleEncoding()), out, level)
	case "json":
		core = zapcore.NewCore(zapcore.NewJSONEncoder(jsonEncoding()), out, level)
	default:
		return nil, level, Errorf(ExitConfig, "log.format = %q: must be auto, console, json or journal", c.Format)
	}
	return zap.New(core, zap.AddCaller(), zap.AddStacktrace(zapcore.DPanicLevel)), level, nil
}

func setLevel(level zap.AtomicLevel, text string) error {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return Errorf(ExitConfig, "log.level = %q: must be debug, info, warn or error", text)
	}
	return nil
}

// consoleEncoding is for people at a terminal: time of day, no caller.
func consoleEncoding() zapcore.EncoderConfig {
	e := zap.NewDevelopmentEncoderConfig()
	e.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	e.CallerKey = zapcore.OmitKey
	return e
}

// jsonEncoding is for collectors: the usual key names, RFC 3339 times, durations in seconds.
func jsonEncoding() zapcore.EncoderConfig {
	e := zap.NewProductionEncoderConfig()
	e.TimeKey = "time"
	e.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return e
}

// logNotices writes what reading the configuration brought up.
func logNotices(log *zap.Logger, notices []config.Notice) {
	for _, n := range notices {
		level := zap.InfoLevel
		if n.Severity == config.Warning {
			level = zap.WarnLevel
		}
		log.Log(level, "configuration: "+n.What, zap.String("key", n.Key), zap.String("from", fmt.Sprint(n.Source)), zap.String("fix", n.Fix))
	}
}
