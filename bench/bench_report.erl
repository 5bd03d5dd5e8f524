%% @doc The table, on the terminal and as JSON.
-module(bench_report).

-export([head/0, rows/3, finish/3]).

-export_type([row/0]).

%% As it is in the file.
-type row() :: #{atom() => term()}.

%% What each round has given, by the contenders' labels.
-type rounds() :: [#{atom() => bench_run:result()}].

-define(FORMAT, "~-25s~-8s~-68s~13s  ~-37s~-23s~-9s~s~n").

-spec head() -> ok.
head() ->
    io:format(?FORMAT, ["case", "beside", "work", "measured", "opponent", "ratio (min - max)", "aim", "verdict"]).

%% @doc Prints the rows of a case.
-spec rows(bench_cases:kase(), bench_machine:load(), rounds()) -> [row()].
rows(#{rows := Rows} = Case, Load, Rounds) ->
    Done = [row(Case, Load, Row, Rounds) || Row <- Rows],
    lists:foreach(fun print/1, Done),
    Done.

-spec row(bench_cases:kase(), bench_machine:load(), bench_cases:row(), rounds()) -> row().
row(#{name := Name, unit := CaseUnit, loads := Loads}, Load, #{work := Work, metric := Metric, ours := Ours, theirs := Theirs, aim := Aim},
    Rounds) ->
    Unit = unit(Metric, CaseUnit),
    Values = [value(Metric, maps:get(Ours, Round)) || Round <- Rounds],
    Row = #{'case' => list_to_binary(Name), load => Load, work => list_to_binary(Work), metric => Metric, unit => Unit,
            better => better(Metric), rounds => length(Rounds),
            contender => Ours, measured => shown(Unit, bench_stats:median(Values)), opponent => name(Theirs)},
    Compared = compared(Theirs, Metric, Unit, Values, Rounds),
    judged(case lists:member(Load, Loads) of true -> Aim; false -> none end, maps:merge(Row, Compared)).

-spec name(atom()) -> none | binary().
name(none) -> none;
name(nif) -> <<"OTP's socket">>;
name(gen_tcp) -> <<"gen_tcp">>;
name(gen_tcp_active) -> <<"gen_tcp, active">>;
name(pipe) -> <<"C port">>;
name(pipe_off) -> <<"C port that sleeps">>;
name(lane) -> <<"batched C port">>;
name(echo) -> <<"C port, our lane">>;
name(gosocket) -> <<"gosocket">>;
name(gosocket_sends) -> <<"send-ahead">>;
name(gosocket_plain) -> <<"without copies">>;
name(gosocket_off) -> <<"without spins">>;
name(prototype) -> <<"the prototype">>;
name(node_message) -> <<"a message there and back">>.

-spec value(bench_cases:metric(), bench_run:result()) -> number().
value(switches, #{rate := Rate}) -> Rate;
value(Metric, Result) -> maps:get(Metric, Result).

-spec compared(atom(), bench_cases:metric(), atom(), [number()], rounds()) -> row().
compared(none, _Metric, Unit, Values, _Rounds) ->
    {_, Least, Greatest} = bench_stats:spread(Values),
    #{opponent_measured => none, ratio => none, least => shown(Unit, Least), greatest => shown(Unit, Greatest)};
compared(Theirs, Metric, Unit, Values, Rounds) ->
    Base = [value(Metric, maps:get(Theirs, Round)) || Round <- Rounds],
    {Ratio, Least, Greatest} = bench_stats:ratios(Values, Base),
    #{opponent_measured => shown(Unit, bench_stats:median(Base)), ratio => Ratio, least => Least, greatest => Greatest}.

%% What has an aim is the ratio, or the figure itself where it has no opponent.
-spec judged(bench_cases:aim(), row()) -> row().
judged(none, Row) ->
    Row#{aim => none, met => none};
judged({Direction, Limit}, #{ratio := Ratio, measured := Measured} = Row) ->
    Value = case Ratio of none -> Measured; _ -> Ratio end,
    Row#{aim => #{direction => Direction, limit => Limit},
         met => case Direction of at_least -> Value >= Limit; at_most -> Value =< Limit end}.

-spec better(bench_cases:metric()) -> more | less.
better(rate) -> more;
better(_) -> less.

-spec unit(bench_cases:metric(), per_second | mib_per_second) -> atom().
unit(rate, mib_per_second) -> 'MiB/s';
unit(rate, per_second) -> '/s';
unit(switches, _) -> '/s';
unit(kib, _) -> 'KiB';
unit(growth, _) -> times;
unit(Metric, _) when Metric =:= cpu; Metric =:= vm_cpu -> 'us CPU';
unit(_, _) -> us.

%% Nanoseconds, seconds of CPU and bytes are what is measured.
-spec shown(atom(), number()) -> float().
shown(us, Nanoseconds) -> Nanoseconds / 1000;
shown('us CPU', Seconds) -> Seconds * 1.0e6;
shown('MiB/s', Bytes) -> Bytes / (1 bsl 20);
shown(_, Value) -> float(Value).

-spec print(row()) -> ok.
print(#{'case' := Name, load := Load, work := Work, unit := Unit, opponent := Theirs, measured := Measured,
        opponent_measured := Opponent, ratio := Ratio, least := Least, greatest := Greatest, aim := Aim, met := Met}) ->
    io:format(?FORMAT,
              [Name, atom_to_list(Load), Work, quantity(Measured, Unit),
               case Opponent of none -> ""; _ -> [Theirs, ": ", quantity(Opponent, Unit)] end,
               case Ratio of
                   none -> io_lib:format("     (~s - ~s)", [decimal(Least), decimal(Greatest)]);
                   _ -> io_lib:format("~.2f (~.2f - ~.2f)", [Ratio, Least, Greatest])
               end,
               case Aim of
                   none -> "";
                   #{direction := at_least, limit := Limit} -> [">= ", decimal(Limit)];
                   #{direction := at_most, limit := Limit} -> ["=< ", decimal(Limit)]
               end,
               case Met of none -> "no aim"; true -> "met"; false -> "NOT MET" end]).

-spec quantity(float(), atom()) -> iolist().
quantity(Value, Unit) -> [decimal(Value), $\s, atom_to_list(Unit)].

-spec decimal(number()) -> string().
decimal(Value) when abs(Value) >= 1000 -> float_to_list(float(Value), [{decimals, 0}]);
decimal(Value) when abs(Value) >= 100 -> float_to_list(float(Value), [{decimals, 1}]);
decimal(Value) -> float_to_list(float(Value), [{decimals, 2}]).

%% @doc Counts, and writes the file.
-spec finish([row()], Failures :: [binary()], Short :: boolean()) -> ok.
finish(Rows, Failures, Short) ->
    Count = fun(Verdict) -> length([1 || #{met := Met} <- Rows, Met =:= Verdict]) end,
    io:format("~b aims met, ~b not met, ~b rows without an aim, ~b cases failed~n",
              [Count(true), Count(false), Count(none), length(Failures)]),
    lists:foreach(fun(Line) -> io:format("~ts~n", [Line]) end, Failures),
    File = bench_setup:program("bench.json"),
    ok = file:write_file(File, [bench_json:encode((bench_machine:facts())#{short => Short, rows => Rows, failures => Failures}), $\n]),
    io:format("~s~n", [File]).
