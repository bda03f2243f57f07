package main

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// statJSON is a stat in the answers of --json.
type statJSON struct {
	Czxid          string `json:"czxid"`
	Mzxid          string `json:"mzxid"`
	Pzxid          string `json:"pzxid"`
	Ctime          string `json:"ctime"`
	Mtime          string `json:"mtime"`
	Version        int32  `json:"version"`
	Cversion       int32  `json:"cversion"`
	Aversion       int32  `json:"aversion"`
	EphemeralOwner string `json:"ephemeral_owner,omitempty"` // a session
	DataLength     int32  `json:"data_length"`
	NumChildren    int32  `json:"num_children"`
}

func jsonStat(s proto.Stat) *statJSON {
	date := func(millis int64) string { return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z") }
	out := &statJSON{
		Czxid: s.Czxid.String(), Mzxid: s.Mzxid.String(), Pzxid: s.Pzxid.String(), Ctime: date(s.CtimeMillis), Mtime: date(s.MtimeMillis),
		Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion, DataLength: s.DataLength, NumChildren: s.NumChildren,
	}
	if s.EphemeralOwner != zk.OwnerNone {
		out.EphemeralOwner = zk.SessionID(s.EphemeralOwner).String()
	}
	return out
}

// dataJSON is the data of a node: text where it is UTF-8, else base64; null where there is none.
type dataJSON struct {
	Data   *string `json:"data"`
	Base64 []byte  `json:"data_base64,omitempty"`
}

func jsonData(data []byte) dataJSON {
	if data == nil {
		return dataJSON{}
	}
	if !utf8.Valid(data) {
		return dataJSON{Base64: data}
	}
	s := string(data)
	return dataJSON{Data: &s}
}

type aclJSON struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
	Perms  string `json:"perms"`
}

func jsonACL(acl []proto.ACL) []aclJSON {
	out := make([]aclJSON, len(acl))
	for i, a := range acl {
		out[i] = aclJSON{a.ID.Scheme, a.ID.ID, text.Perms(a.Perms)}
	}
	return out
}

// nodeJSON is the answer of the commands about one node.
type nodeJSON struct {
	Path string `json:"path"`
	*dataJSON
	ACL      []aclJSON `json:"acl,omitempty"`
	Children *[]string `json:"children,omitempty"`
	Stat     *statJSON `json:"stat,omitempty"`
}

type eventJSON struct {
	Event string `json:"event"`
	State string `json:"state"`
	Path  string `json:"path,omitempty"`
	Zxid  string `json:"zxid,omitempty"`
}

func jsonEvent(e client.Event) eventJSON {
	out := eventJSON{Event: client.EventName(e.Type), State: e.State.String(), Path: e.Path}
	if e.Zxid > 0 {
		out.Zxid = e.Zxid.String()
	}
	return out
}

// eventText is an event as the prompt shows it.
func (a *app) eventText(e client.Event) string {
	if !a.json {
		return text.Event(e)
	}
	line, _ := json.Marshal(jsonEvent(e)) // of strings: it cannot fail
	return string(line) + "\n"
}
