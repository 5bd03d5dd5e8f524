%% What the suites run in fresh nodes.
-module(gosocket_test_fresh).

-include("gosocket_test.hrl").

-export([open/0, open_with/2, option_with/2, open_twice/0, open_till_gone/1, opens/1, later/2, exchange/0, talk/0, waits/0, stops/0, stop_node/0, get_a_name/0]).
%% The application that opens a socket while its node stops.
-export([start/2, prep_stop/1, stop/1]).

-spec open() -> {opened, ok} | {error, term()}.
open() ->
    case ?S:open(inet, stream) of
        {ok, Socket} -> {opened, ?S:close(Socket)};
        Error -> Error
    end.

-spec open_with(atom(), term()) -> {opened, ok} | {error, term()}.
open_with(Variable, Value) ->
    ok = application:load(gosocket), % what the command line says comes with that
    ok = application:set_env(gosocket, Variable, Value),
    open().

%% An option of level otp whose default is the variable of the same name.
-spec option_with(atom(), non_neg_integer()) -> [{ok, non_neg_integer()}].
option_with(Variable, Value) ->
    ok = application:load(gosocket),
    ok = application:set_env(gosocket, Variable, Value),
    {ok, Socket} = ?S:open(inet, stream),
    Get = fun() -> ?S:getopt(Socket, otp, Variable) end,
    Set = fun(To) -> ok = ?S:setopt(Socket, otp, Variable, To) end,
    Values = [Get() | [begin Set(To), Get() end || To <- [0, default]]],
    ok = ?S:close(Socket),
    Values.

%% The log is out when the node ends.
-spec open_twice() -> [term()].
open_twice() ->
    Results = [open(), open()],
    ok = logger_std_h:filesync(default),
    Results.

%% Until no process with this command line is left.
-spec open_till_gone([string()]) -> {non_neg_integer(), term()}.
open_till_gone(Words) ->
    Timed = gosocket_test_lib:elapsed(fun open/0),
    CommandLine = iolist_to_binary([[Word, 0] || Word <- Words]),
    gosocket_test_lib:wait_until(fun() ->
        not lists:any(fun(File) -> file:read_file(File) =:= {ok, CommandLine} end, filelib:wildcard("/proc/[0-9]*/cmdline"))
    end),
    Timed.

-spec opens(pos_integer()) -> {[term()], non_neg_integer()}.
opens(N) ->
    Calls = [gosocket_test_lib:start(fun() ->
        {ok, Socket} = ?S:open(inet, dgram),
        {ok, _} = ?S:bind(Socket, loopback),
        ?S:getopt(Socket, socket, type)
    end) || _ <- lists:seq(1, N)],
    Results = [gosocket_test_lib:result(Call) || Call <- Calls],
    {lists:usort(Results), children_of_this_node()}.

%% Helpers are children of erl_child_setup, whose parent is the VM (proc(5), stat: field 4).
-spec children_of_this_node() -> non_neg_integer().
children_of_this_node() ->
    Helper = integer_to_list(gosocket_test_lib:helper_os_pid()),
    {ok, Program} = file:read_link("/proc/" ++ Helper ++ "/exe"),
    Setup = parent(Helper),
    length([Pid || Directory <- filelib:wildcard("/proc/[0-9]*"), Pid <- [filename:basename(Directory)],
                   file:read_link(Directory ++ "/exe") =:= {ok, Program}, parent(Pid) =:= Setup]).

-spec parent(string()) -> binary() | none.
parent(Pid) ->
    case file:read_file("/proc/" ++ Pid ++ "/stat") of
        {ok, Stat} ->
            [_, Rest] = binary:split(Stat, <<") ">>),
            lists:nth(2, binary:split(Rest, <<" ">>, [global]));
        {error, _} ->
            none
    end.

-spec later(fun((fun(() -> term())) -> pid()), fun(() -> Result)) -> Result.
later(Spawn, Fun) ->
    Parent = self(),
    Spawn(fun() -> Parent ! {opened, Fun()} end),
    receive {opened, Result} -> Result end.

-spec exchange() -> [ok].
exchange() ->
    [begin
         {A, B} = gosocket_test_net:pair(Kind),
         ok = ?S:send(A, <<"x">>),
         {ok, <<"x">>} = ?S:recv(B, 0, 1000),
         gosocket_test_net:close({A, B})
     end || Kind <- gosocket_test_net:kinds()].

-spec talk() -> ok.
talk() ->
    ok = lists:foreach(fun(ok) -> ok end, exchange()),
    io:format("helper ~b~n", [gosocket_test_lib:helper_os_pid()]),
    receive stop -> ok end.

%% A call that times out later, and whether it was one and the same helper.
-spec waits() -> {term(), pos_integer()}.
waits() ->
    {A, _} = gosocket_test_net:pair({inet, stream}),
    Call = gosocket_test_lib:start(fun() -> ?S:recv(A, 0, 12000) end),
    gosocket_test_lib:await_parked(A, num_readers, 1),
    io:format("helper ~b~n", [gosocket_test_lib:helper_os_pid()]),
    {gosocket_test_lib:result(Call, 60000), gosocket_test_lib:helper_os_pid()}.

-spec stops() -> tuple().
stops() ->
    {opened, ok} = open(),
    Helper = gosocket_test_lib:helper_os_pid(),
    Listener = gosocket_test_net:listener({inet, stream}),
    Acceptor = gosocket_test_lib:start(fun() -> ?S:accept(Listener) end),
    gosocket_test_lib:await_parked(Listener, num_acceptors, 1),
    ok = application:stop(gosocket),
    Result = gosocket_test_lib:result(Acceptor),
    gosocket_test_lib:wait_until(fun() -> not gosocket_test_lib:helper_alive(Helper) end),
    {Result, ?S:sockname(Listener), open()}.

%% This module as an application that opens a socket when its node stops.
-spec stop_node() -> ok.
stop_node() ->
    ok = application:load({application, ?MODULE, [{mod, {?MODULE, []}}, {applications, [kernel, stdlib]}]}),
    ok = application:start(?MODULE),
    init:stop(),
    receive never -> ok end.

-spec start(normal, []) -> {ok, pid()}.
start(normal, []) ->
    {ok, spawn_link(fun() -> receive stop -> ok end end)}.

-spec prep_stop(State) -> State.
prep_stop(State) ->
    {Elapsed, Result} = gosocket_test_lib:elapsed(fun open/0),
    io:format(user, "answered ~w~n", [{Result, Elapsed}]),
    State.

-spec stop(term()) -> ok.
stop(_) ->
    ok.

%% Every kind of waiting when the node gets a name, and what works afterwards.
-spec get_a_name() -> term().
get_a_name() ->
    {_, B} = gosocket_test_net:pair({inet, stream}),
    Reader = gosocket_test_lib:start(fun() -> ?S:recv(B) end),
    gosocket_test_lib:await_parked(B, num_readers, 1),
    {select, {select_info, recvfrom, Ref}} = ?S:recvfrom(B, 0, nowait),
    {ok, _} = net_kernel:start([list_to_atom(gosocket_test_lib:unique() ++ "@localhost"), shortnames]),
    {C, D} = gosocket_test_net:pair({inet, stream}),
    ok = ?S:send(C, <<"new">>),
    Owner = gosocket_test_lib:actor(),
    ok = ?S:setopt(C, otp, controlling_process, Owner),
    Received = ?S:recv(D),
    gosocket_test_lib:kill(Owner),
    Abort = receive {'$socket', B, abort, {Ref, closed}} -> abort after ?PATIENCE -> none end,
    {Received, gosocket_test_lib:result(Reader), Abort, ?S:recv(D)}.
