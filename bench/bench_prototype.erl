%% @doc A prototype of the same shape, with which gosocket may be compared where there is one: an Erlang module `proto', whose lane drives a
%% helper in Go, TCP only. It is no part of this. The environment variable PROTOTYPE names the directory that has proto.erl and helper.go;
%% bench/run builds both.
-module(bench_prototype).

-export([is_there/0, pingpong/3, named/1]).

%% What its helper is told by its own benchmark.
-define(SETTINGS, [{"SPIN_US", "20"}, {"INQ", "1"}, {"FLUSHN", "24"}, {"HOTLOOK", "1"}, {"HOTSPIN", "1"}]).
-define(BATCH, 12).

-define(NAME_BYTES, 60).

-spec is_there() -> boolean().
is_there() -> os:getenv("PROTOTYPE", "") =/= "".

%% @doc As bench_case:pingpong/4. Its sockets stay open until its helper ends: each measurement has one of its own.
-spec pingpong(pos_integer(), pos_integer(), float()) -> bench_run:result().
pingpong(Pairs, Size, Seconds) ->
    _ = os:putenv("PROTO_HELPER", bench_setup:program("proto_helper")),
    {Lane, OsPid} = proto:lane2_start(?SETTINGS, ?BATCH),
    true = unlink(Lane),
    try
        bench_case:pingpong({prototype, Lane}, Pairs, Size, Seconds)
    after
        exit(Lane, kill),
        %% it may sleep through the end of its input
        os:cmd("kill -9 " ++ integer_to_list(OsPid))
    end.

%% @doc The same measurement in a node with a name of 60 bytes, which every pid that is sent carries.
-spec named(fun((bench_api:api(), float()) -> bench_run:result())) -> fun((bench_api:api(), float()) -> bench_run:result()).
named(Run) ->
    fun(Api, Seconds) ->
        ok = rename(),
        Run(Api, Seconds)
    end.

-spec rename() -> ok.
rename() ->
    Host = "@127.0.0.1",
    Name = list_to_atom(lists:flatten(string:pad("gosocket-bench-" ++ os:getpid(), ?NAME_BYTES - length(Host), trailing, $x), Host)),
    case node() of
        Name ->
            ok;
        _ ->
            _ = application:stop(gosocket),
            _ = os:cmd("epmd -daemon"),
            _ = net_kernel:stop(),
            {ok, _} = net_kernel:start([Name, longnames]),
            bench_setup:fresh([])
    end.
