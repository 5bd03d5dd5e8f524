%% @doc Calls with the handle of another node, on the same machine, beside a message there and back.
-module(bench_remote).

-export([call/2, message/2, home/0]).

%% In the other node.
-export([serve/1]).

-define(START_MS, 10000).

%% @doc One process calls sockname.
-spec call(bench_api:api(), float()) -> bench_run:result().
call(_Api, Seconds) ->
    {_Server, Socket} = other(),
    bench_run:latency(fun() -> fun() -> {ok, _} = gosocket:sockname(Socket), 1 end end, Seconds).

%% @doc One process asks a process of the other node, watched as a call would be: what no call can be faster than.
-spec message(bench_api:api(), float()) -> bench_run:result().
message(_Api, Seconds) ->
    {Server, _Socket} = other(),
    bench_run:latency(fun() ->
        fun() ->
            Monitor = monitor(process, Server),
            Server ! {self(), Monitor},
            receive {Monitor, ok} -> demonitor(Monitor, [flush]) end,
            1
        end
    end, Seconds).

%% @doc The other node.
-spec home() -> node().
home() ->
    {Server, _Socket} = other(),
    node(Server).

%% The other node lasts as long as this one.
-spec other() -> {pid(), gosocket:socket()}.
other() ->
    case get(?MODULE) of
        undefined ->
            Other = start(),
            put(?MODULE, Other),
            Other;
        Other ->
            Other
    end.

-spec start() -> {pid(), gosocket:socket()}.
start() ->
    %% the name of this node is about to change
    _ = application:stop(gosocket),
    _ = os:cmd("epmd -daemon"),
    Name = fun(Role) -> list_to_atom(lists:concat(["gosocket-bench-", Role, "-", os:getpid(), "@localhost"])) end,
    {ok, _} = net_kernel:start([Name(caller), shortnames]),
    true = register(?MODULE, self()),
    Start = lists:flatten(io_lib:format("bench_remote:serve('~s').", [node()])),
    Paths = [filename:dirname(code:which(Module)) || Module <- [gosocket, ?MODULE]],
    _ = open_port({spawn_executable, os:find_executable("erl")},
                  [{args, ["-noshell", "-noinput", "-sname", atom_to_list(Name(home)),
                           "-setcookie", atom_to_list(erlang:get_cookie()), "-pa" | Paths] ++ ["-eval", Start]}]),
    receive {?MODULE, Server, Socket} -> {Server, Socket} after ?START_MS -> error(no_node) end.

-spec serve(node()) -> no_return().
serve(Caller) ->
    {ok, Socket} = gosocket:open(inet, stream, tcp),
    monitor_node(Caller, true),
    {?MODULE, Caller} ! {?MODULE, self(), Socket},
    answer(Caller).

-spec answer(node()) -> no_return().
answer(Caller) ->
    receive
        {nodedown, Caller} -> halt();
        {From, Monitor} -> From ! {Monitor, ok}
    end,
    answer(Caller).
