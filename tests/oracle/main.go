// Oracle runs the database engine that rkt's image index was written with, so that tests can
// ask it what it makes of our files.
//
//	oracle FILE
//
// Each line of standard input is a request, each line of standard output its answer, both in
// JSON. A transaction a request; the database stays open in between.
//
//	{"op": "query", "sql": "SELECT …", "args": [value, …]}   {"rows": [[value, …], …]}
//	{"op": "exec", "sql": "…; …;", "args": [value, …]}       {}
//	{"op": "verify"}                                         {"problems": ["…", …]}
//
// Values are null, true, false, {"i": "decimal"}, {"s": "hex of the bytes"} and {"t": [Unix
// seconds as text, nanoseconds, zone offset in seconds or "utc"]}. What fails is answered
// with {"error": "…"}.
//
// Built with Debian's golang-github-cznic-ql-dev: GO111MODULE=off GOPATH=/usr/share/gocode.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/cznic/lldb"
	"github.com/cznic/ql"
)

type request struct {
	Op   string            `json:"op"`
	SQL  string            `json:"sql"`
	Args []json.RawMessage `json:"args"`
}

type answer struct {
	Rows     [][]interface{} `json:"rows,omitempty"`
	Problems []string        `json:"problems,omitempty"`
	Error    string          `json:"error,omitempty"`
}

type integer struct {
	I string `json:"i"`
}

type text struct {
	S string `json:"s"`
}

type instant struct {
	T [3]interface{} `json:"t"`
}

// database is open, or about to be opened by the next request that needs it.
type database struct {
	path string
	db   *ql.DB
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: oracle FILE")
		os.Exit(2)
	}
	database := database{path: os.Args[1]}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var request request
		answer, err := answer{}, json.Unmarshal(lines.Bytes(), &request)
		if err == nil {
			answer, err = database.perform(request)
		}
		if err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			os.Exit(1)
		}
	}
	if err := database.close(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func (d *database) perform(request request) (answer, error) {
	args, err := decodeAll(request.Args)
	if err != nil {
		return answer{}, err
	}
	switch request.Op {
	case "query":
		return d.query(request.SQL, args)
	case "exec":
		return answer{}, d.exec(request.SQL, args)
	case "verify":
		return d.verify()
	}
	return answer{}, fmt.Errorf("unknown op %q", request.Op)
}

func (d *database) open() (err error) {
	if d.db == nil {
		d.db, err = ql.OpenFile(d.path, &ql.Options{})
	}
	return err
}

func (d *database) close() (err error) {
	if d.db != nil {
		err = d.db.Close()
		d.db = nil
	}
	return err
}

func (d *database) query(sql string, args []interface{}) (answer, error) {
	if err := d.open(); err != nil {
		return answer{}, err
	}
	sets, _, err := d.db.Run(nil, sql, args...)
	if err != nil {
		return answer{}, err
	}
	rows := [][]interface{}{}
	for _, set := range sets {
		values, err := set.Rows(-1, 0)
		if err != nil {
			return answer{}, err
		}
		for _, row := range values {
			encoded := make([]interface{}, len(row))
			for i, value := range row {
				encoded[i] = encode(value)
			}
			rows = append(rows, encoded)
		}
	}
	return answer{Rows: rows}, nil
}

func (d *database) exec(sql string, args []interface{}) error {
	if err := d.open(); err != nil {
		return err
	}
	_, _, err := d.db.Run(ql.NewRWCtx(), "BEGIN TRANSACTION; "+sql+" COMMIT;", args...)
	return err
}

// verify has the storage layer check its blocks, with the database closed.
func (d *database) verify() (answer, error) {
	if err := d.close(); err != nil {
		return answer{}, err
	}
	file, err := os.Open(d.path)
	if err != nil {
		return answer{}, err
	}
	defer file.Close()
	// The engine's own header comes before what the storage layer sees.
	const header = 16
	image := lldb.NewInnerFiler(lldb.NewSimpleFileFiler(file), header)
	blocks, err := lldb.NewAllocator(image, &lldb.Options{})
	if err != nil {
		return answer{}, err
	}
	problems := []string{}
	err = blocks.Verify(lldb.NewMemFiler(), func(problem error) bool {
		problems = append(problems, problem.Error())
		return len(problems) < 10
	}, nil)
	if err != nil && len(problems) == 0 {
		return answer{}, err
	}
	return answer{Problems: problems}, nil
}

func encode(value interface{}) interface{} {
	switch value := value.(type) {
	case nil, bool:
		return value
	case int64:
		return integer{strconv.FormatInt(value, 10)}
	case string:
		return text{hex.EncodeToString([]byte(value))}
	case time.Time:
		var zone interface{} = "utc"
		if value.Location() != time.UTC {
			_, zone = value.Zone()
		}
		return instant{[3]interface{}{strconv.FormatInt(value.Unix(), 10), value.Nanosecond(), zone}}
	}
	return fmt.Sprintf("%T", value)
}

func decodeAll(raw []json.RawMessage) ([]interface{}, error) {
	values := make([]interface{}, len(raw))
	for i, one := range raw {
		value, err := decode(one)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %v", i+1, err)
		}
		values[i] = value
	}
	return values, nil
}

func decode(raw json.RawMessage) (interface{}, error) {
	var plain interface{}
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, err
	}
	object, isObject := plain.(map[string]interface{})
	if !isObject {
		if _, isBool := plain.(bool); isBool || plain == nil {
			return plain, nil
		}
		return nil, fmt.Errorf("%s is no value", raw)
	}
	if decimal, ok := object["i"].(string); ok {
		return strconv.ParseInt(decimal, 10, 64)
	}
	if digits, ok := object["s"].(string); ok {
		bytes, err := hex.DecodeString(digits)
		return string(bytes), err
	}
	if parts, ok := object["t"].([]interface{}); ok && len(parts) == 3 {
		return decodeTime(parts)
	}
	return nil, fmt.Errorf("%s is no value", raw)
}

func decodeTime(parts []interface{}) (interface{}, error) {
	decimal, isText := parts[0].(string)
	nanoseconds, isNumber := parts[1].(float64)
	if !isText || !isNumber {
		return nil, fmt.Errorf("%v is no time", parts)
	}
	seconds, err := strconv.ParseInt(decimal, 10, 64)
	if err != nil {
		return nil, err
	}
	zone := time.UTC
	if offset, ok := parts[2].(float64); ok {
		zone = time.FixedZone("", int(offset))
	}
	return time.Unix(seconds, int64(nanoseconds)).In(zone), nil
}
