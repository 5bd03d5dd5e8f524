%% @doc The benchmark: gosocket beside a C port program that does nothing, OTP's own socket, and gen_tcp.
%%
%% Every case runs in rounds; a round measures each contender once, one after the other, each warmed.
%% Printed are medians over the rounds, and the median, least and greatest of the rounds' ratios
%% to the contender's opponent: rounds of the same moment are comparable, absolute times of a shared
%% machine are not. All contenders are in this one VM. CPU is what the VM and the helper together used for one unit.
%%
%% Environment: CASES (name prefixes), CONTENDERS (to leave others out), ROUNDS, ROUND_SECONDS, LOADS (idle, busy:
%% beside two processes of this node that never rest).
-module(bench).

-export([main/0, number/2]).

-type unit() :: microseconds | per_second | mib_per_second.

-type kase() :: #{name := string(),
                  unit := unit(),
                  contenders := [entry()],
                  run := fun((bench_api:api(), float()) -> bench_run:rate() | bench_run:latency()),
                  rounds => pos_integer()}.

%% A contender, whom it is compared to, and the ratio it shall have: idle, or always.
-type entry() :: #{name := atom(), label => atom(), to => atom(), goal => goal(), always => true,
                   run => fun((bench_api:api(), float()) -> bench_run:latency())}.

-type goal() :: {at_least | at_most, float()}.

-spec main() -> no_return().
main() ->
    io:format("~ts~n", [bench_machine:describe()]),
    Names = words("CASES", ""),
    Chosen = [Case || #{name := Name} = Case <- cases(), Names =:= [] orelse lists:any(prefixes(Name), Names)],
    Chosen =/= [] orelse error({no_such_case, Names}),
    Loads = [list_to_existing_atom(Load) || Load <- words("LOADS", "idle busy")],
    Done = [measure_all(Chosen, Load) || Load <- Loads],
    halt(case lists:all(fun(Ok) -> Ok end, Done) of true -> 0; false -> 1 end).

-spec measure_all([kase()], bench_machine:load()) -> boolean().
measure_all(Cases, Load) ->
    io:format("== ~s; load average ~s~n", [title(Load), bench_machine:load_average()]),
    io:format("~-15s ~-15s~10s ~-5s~9s~9s   ~s~n",
              ["case", "contender", "median", "", "p50/p99", "CPU us", "ratio (min - max)"]),
    Busy = bench_machine:start_load(Load),
    Done = [try_measure(Case, Load) || Case <- Cases],
    bench_machine:stop_load(Busy),
    lists:all(fun(Ok) -> Ok end, Done).

%% A case that breaks does not take the others with it.
-spec try_measure(kase(), bench_machine:load()) -> boolean().
try_measure(#{name := Name} = Case, Load) ->
    try
        ok = measure(Case, Load),
        true
    catch
        error:Reason ->
            io:format("~s FAILED: ~0p~n", [Name, Reason]),
            false
    end.

-spec title(bench_machine:load()) -> string().
title(idle) -> "idle";
title(busy) -> "beside two busy Erlang processes".

-spec cases() -> [kase()].
cases() ->
    [#{name => "latency", unit => microseconds, contenders => latency_entries(),
       run => fun(Api, Seconds) -> bench_case:latency(Api, otp, rcvbuf, Seconds) end}]
        ++ [#{name => "calls-" ++ integer_to_list(N), unit => per_second,
              contenders => [entry(echo), entry(gosocket, echo), entry(nif)],
              run => fun(Api, Seconds) -> bench_case:calls(Api, otp, rcvbuf, N, Seconds) end}
            || N <- [8, 64, 1000]]
        ++ [#{name => "pingpong-" ++ integer_to_list(N), unit => per_second, contenders => tcp_entries(Goal),
              run => fun(Api, Seconds) -> bench_case:pingpong(Api, N, 100, Seconds) end}
            || {N, Goal} <- [{1, 0.8}, {8, 1.2}, {64, 1.3}]]
        ++ [#{name => "select-" ++ integer_to_list(N), unit => per_second,
              contenders => [entry(nif), entry(gosocket, nif)],
              run => fun(Api, Seconds) -> bench_case:pingpong_select(Api, N, 100, Seconds) end}
            || N <- [1, 64]]
        ++ [#{name => lists:flatten([Name, Label]), unit => mib_per_second, contenders => tcp_entries(none),
              run => fun(Api, Seconds) -> Run(Api, gen_tcp, Size, Seconds) end}
            || {Name, Run} <- [{"send-", fun bench_case:bulk_send/4}, {"recv-", fun bench_case:bulk_recv/4}],
               {Label, Size} <- [{"64k", 1 bsl 16}, {"1m", 1 bsl 20}]]
        ++ [#{name => "udp-8", unit => per_second, contenders => [entry(nif), entry(gosocket, nif)],
              run => fun(Api, Seconds) -> bench_case:udp(Api, 8, 100, Seconds) end},
            #{name => "accept-8", unit => per_second,
              contenders => [entry(nif), entry(gosocket, nif), entry(gen_tcp, nif)],
              run => fun(Api, Seconds) -> bench_case:acceptors(Api, 8, 8, Seconds) end},
            #{name => "remote", unit => microseconds, contenders => remote_entries(),
              run => fun(Api, Seconds) -> bench_case:latency(Api, otp, rcvbuf, Seconds) end},
            spin("spin-call", fun(Api, Seconds) -> bench_case:calls(Api, otp, rcvbuf, 1, Seconds) end)]
        ++ [spin("spin-pp-" ++ integer_to_list(N),
                 fun(Api, Seconds) -> bench_case:pingpong(Api, N, 100, Seconds) end)
            || N <- [1, 8, 64]].

%% The echo port answers getopt alone, so the calls with a system call are gosocket's and the NIF's.
-spec latency_entries() -> [entry()].
latency_entries() ->
    Type = fun(Api, Seconds) -> bench_case:latency(Api, socket, type, Seconds) end,
    [entry(echo),
     (entry(gosocket, echo))#{goal => {at_most, 1.3}},
     (entry(gosocket, echo))#{label => gosocket_type, run => Type},
     entry(echo_off),
     entry(gosocket_off, echo_off),
     entry(nif)].

%% The other node is on this machine: what is compared is the way, not the network.
-spec remote_entries() -> [entry()].
remote_entries() ->
    [entry(gosocket),
     (entry(node_message))#{run => fun bench_remote:message/2},
     (entry(gosocket, node_message))#{label => remote_handle, run => fun bench_remote:call/2}].

-spec tcp_entries(float() | none) -> [entry()].
tcp_entries(none) ->
    [entry(nif), entry(gosocket, nif), entry(gen_tcp, nif), entry(gen_tcp_active, nif)];
tcp_entries(Goal) ->
    [case Entry of
         #{name := gosocket} -> Entry#{goal => {at_least, Goal}};
         _ -> Entry
     end || Entry <- tcp_entries(none)].

%% More rounds: the ratio is close to 1.
-spec spin(string(), fun((bench_api:api(), float()) -> bench_run:rate())) -> kase().
spin(Name, Run) ->
    #{name => Name, unit => per_second, rounds => 15, run => Run,
      contenders => [entry(gosocket_off), (entry(gosocket, gosocket_off))#{goal => {at_least, 0.95}, always => true}]}.

-spec entry(atom()) -> entry().
entry(Name) -> #{name => Name}.

-spec entry(atom(), atom()) -> entry().
entry(Name, To) -> #{name => Name, to => To}.

-spec measure(kase(), bench_machine:load()) -> ok.
measure(#{name := Name, contenders := All} = Case, Load) ->
    Only = [list_to_existing_atom(C) || C <- words("CONTENDERS", "")],
    Entries = [Entry || #{name := Contender} = Entry <- All, Only =:= [] orelse lists:member(Contender, Only)],
    Rounds = number("ROUNDS", maps:get(rounds, Case, 7)),
    Seconds = float(number("ROUND_SECONDS", 0.4)),
    Results = [[run(Entry, Case, Seconds) || Entry <- Entries] || _ <- lists:seq(1, Rounds)],
    Columns = lists:zip(Entries, transpose(Results)),
    lists:foreach(fun({Entry, Measured}) -> report(Name, Load, Case, Entry, Measured, Columns) end, Columns).

-spec run(entry(), kase(), float()) -> map().
run(#{name := Name} = Entry, Case, Seconds) ->
    #{api := Api, settings := Settings} = bench_setup:contender(Name),
    ok = bench_setup:use(Settings),
    Run = maps:get(run, Entry, maps:get(run, Case)),
    Run(Api, Seconds).

-spec transpose([[T]]) -> [[T]].
transpose([[] | _]) -> [];
transpose(Rows) -> [[hd(Row) || Row <- Rows] | transpose([tl(Row) || Row <- Rows])].

-spec report(string(), bench_machine:load(), kase(), entry(), [map()], [{entry(), [map()]}]) -> ok.
report(Name, Load, #{unit := Unit}, Entry, Measured, Columns) ->
    Values = [value(M) || M <- Measured],
    Median = bench_stats:median(Values),
    io:format("~-15s ~-15s~10s ~-5s~9s~9s   ~s~n",
              [Name, atom_to_list(maps:get(label, Entry, maps:get(name, Entry))),
               show(Unit, Median), symbol(Unit), percentiles(Measured),
               cpu(Unit, Load, Measured), ratio(Load, Entry, Values, Columns)]).

-spec value(map()) -> float().
value(#{mean := Mean}) -> Mean;
value(#{rate := Rate}) -> Rate.

-spec show(unit(), float()) -> iolist().
show(microseconds, Nanoseconds) -> decimal(Nanoseconds / 1000, 2);
show(per_second, Rate) -> decimal(Rate, 0);
show(mib_per_second, Rate) -> decimal(Rate / (1 bsl 20), 0).

-spec symbol(unit()) -> string().
symbol(microseconds) -> "us";
symbol(per_second) -> "/s";
symbol(mib_per_second) -> "MiB/s".

-spec percentiles([map()]) -> iolist().
percentiles([#{p50 := _} | _] = Measured) ->
    [P50, P99] = [bench_stats:median([maps:get(Key, M) || M <- Measured]) / 1000 || Key <- [p50, p99]],
    [decimal(P50, 1), $/, decimal(P99, 1)];
percentiles(_) ->
    "".

%% Beside busy processes it is theirs.
-spec cpu(unit(), bench_machine:load(), [map()]) -> iolist().
cpu(_Unit, busy, _Measured) -> "";
cpu(Unit, idle, Measured) ->
    PerUnit = bench_stats:median([maps:get(cpu, M) || M <- Measured]),
    case Unit of
        mib_per_second -> decimal(PerUnit * 1.0e6 * (1 bsl 20), 0);
        _ -> decimal(PerUnit * 1.0e6, 1)
    end.

-spec ratio(bench_machine:load(), entry(), [float()], [{entry(), [map()]}]) -> iolist().
ratio(Load, #{to := To} = Entry, Values, Columns) ->
    case [Measured || {#{name := Name}, Measured} <- Columns, Name =:= To] of
        [] ->
            "";
        [Base | _] ->
            {Median, Min, Max} = bench_stats:ratios(Values, [value(M) || M <- Base]),
            [io_lib:format("~.2f of ~s (~.2f - ~.2f)", [Median, To, Min, Max]), verdict(Load, Entry, Median)]
    end;
ratio(_Load, _Entry, _Values, _Columns) ->
    "".

-spec verdict(bench_machine:load(), entry(), float()) -> iolist().
verdict(Load, #{goal := {Direction, Limit}} = Entry, Ratio)
  when Load =:= idle; is_map_key(always, Entry) ->
    {Sign, Met} = case Direction of
                      at_least -> {">=", Ratio >= Limit};
                      at_most -> {"=<", Ratio =< Limit}
                  end,
    io_lib:format("; goal ~s ~.2f ~s", [Sign, Limit, case Met of true -> "met"; false -> "MISSED" end]);
verdict(_Load, _Entry, _Ratio) ->
    "".

-spec decimal(float(), non_neg_integer()) -> string().
decimal(Value, Digits) -> float_to_list(float(Value), [{decimals, Digits}]).

-spec prefixes(string()) -> fun((string()) -> boolean()).
prefixes(Name) -> fun(Prefix) -> lists:prefix(Prefix, Name) end.

-spec words(string(), string()) -> [string()].
words(Variable, Default) -> string:lexemes(os:getenv(Variable, Default), " ,").

%% @doc A number from the environment.
-spec number(string(), number()) -> number().
number(Variable, Default) ->
    case os:getenv(Variable, "") of
        "" -> Default;
        Text ->
            {ok, [Number], _} = io_lib:fread(case lists:member($., Text) of true -> "~f"; false -> "~d" end, Text),
            Number
    end.
