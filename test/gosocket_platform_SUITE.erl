%% Off Linux there is no helper. The modules are there all the same, answer every call, and reach the sockets of nodes that
%% run on Linux. The operating system is faked in nodes of their own, in the one function that asks for it.
-module(gosocket_platform_SUITE).

-export([
    every_call_has_an_answer_off_linux/1,
    nothing_is_started_off_linux/1,
    sockets_of_a_linux_node_work_off_linux/1,
    same_fake_of_linux_changes_nothing/1
]).

%% In other nodes.
-export([on/2, answers/0, open_and_look/0]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [run/2, outcome/1]).

-define(ELSEWHERE, [{unix, darwin}, {unix, freebsd}, {win32, nt}]).

-define(ABSENT, "the reference runs where the VM does").
-include("gosocket_test_nodes.hrl").

%% ---- what is called ----

%% Calls without a socket, and what they answer where no helper can be.
-spec calls() -> [{atom(), [term()], Answer :: term()}].
calls() ->
    Refused = {returned, {error, enotsup}},
    Opens = [{open, Arguments, Refused}
             || Arguments <- [[0], [0, #{}], [0, #{dup => false}], [0, #{holder => vm}], [inet, stream], [inet, stream, tcp],
                              [local, dgram, default], [packet, raw, {raw, 3}], [inet6, seqpacket, sctp], [inet, dgram, udp, #{}],
                              [inet, dgram, udp, #{netns => "none"}], [no_such_domain, stream]]],
    Opens ++ [{open, [bad], {error, badarg}}, {open, [inet, stream, tcp, []], {error, badarg}}, {open, [1 bsl 40, #{}], {error, badarg}}]
        ++ [{supports, Arguments, {returned, []}} || Arguments <- [[], [options], [sctp], [options, socket], [x, y]]]
        ++ [{is_supported, Arguments, {returned, false}}
            || Arguments <- [[local], [ipv6], [options, socket], [send_flags, more], [options, socket, reuseaddr]]]
        ++ [{number_of, [], {returned, 0}}, {which_sockets, [], {returned, []}}, {which_sockets, [inet], {returned, []}},
            {which_sockets, [fun(_) -> true end], {returned, []}}]
        ++ [{Setting, [Value], {returned, ok}} || Setting <- [use_registry, debug, socket_debug], Value <- [true, false]]
        ++ [{i, Arguments, {returned, ok}} || Arguments <- [[], [tcp], [[domain, type]]]].

%% Calls with a socket. There is none: who calls has made something up, and hears what he hears on Linux.
-spec socket_calls() -> [{atom(), [term()]}].
socket_calls() ->
    Address = #{family => inet, addr => loopback, port => 9},
    [{bind, [loopback]}, {bind, [[Address], add]}, {connect, []}, {connect, [Address]}, {connect, [Address, nowait]}, {listen, []},
     {listen, [1]}, {accept, []}, {accept, [nowait]}, {recv, []}, {recv, [0]}, {recv, [0, nowait]}, {recv, [0, [], 10]}, {recvfrom, []},
     {recvfrom, [0]}, {recvfrom, [0, nowait]}, {recvfrom, [0, [], 10]}, {recvmsg, []}, {recvmsg, [nowait]}, {recvmsg, [0, 0]},
     {recvmsg, [0, 0, [], 10]}, {send, [<<"x">>]}, {send, [<<"x">>, nowait]}, {send, [<<"x">>, [], 10]}, {sendto, [<<"x">>, Address]},
     {sendto, [<<"x">>, Address, nowait]}, {sendto, [<<"x">>, Address, [], 10]}, {sendmsg, [#{iov => [<<"x">>]}]},
     {sendmsg, [#{iov => [<<"x">>]}, nowait]}, {sendmsg, [#{iov => [<<"x">>]}, [], 10]}, {shutdown, [write]}, {sockname, []},
     {peername, []}, {getopt, [otp, rcvbuf]}, {setopt, [otp, rcvbuf, 1]}, {setopt, [otp, controlling_process, self()]}, {info, []},
     {cancel, [{select_info, recv, make_ref()}]}, {close_fd, [17]}, {close, []}].

-spec answers() -> [{atom(), [term()], Got :: term(), Expected :: term()}].
answers() ->
    Call = fun(Function, Arguments) -> outcome(fun() -> apply(?S, Function, Arguments) end) end,
    [{Function, Arguments, Call(Function, Arguments), Expected} || {Function, Arguments, Expected} <- calls()]
        ++ [{Function, Arguments, Call(Function, [{'$socket', make_ref()} | Arguments]), {error, badarg}}
            || {Function, Arguments} <- socket_calls()].

%% ---- faking ----

%% The module as it is, but for the system that it believes to be on.
-spec pretend({atom(), atom()}) -> ok.
pretend(System) ->
    {ok, {Module, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(code:which(gosocket_platform), [abstract_code]),
    Faked = with_system(Forms, erl_parse:abstract(System)),
    true = Faked =/= Forms,
    {ok, Module, Beam} = compile:forms(Faked),
    {module, Module} = code:load_binary(Module, "faked", Beam),
    ok.

-spec with_system(term(), erl_parse:abstract_expr()) -> term().
with_system({call, _, {remote, _, {atom, _, os}, {atom, _, type}}, []}, System) -> System;
with_system(Forms, System) when is_tuple(Forms) -> list_to_tuple(with_system(tuple_to_list(Forms), System));
with_system([Head | Tail], System) -> [with_system(Head, System) | with_system(Tail, System)];
with_system(Other, _System) -> Other.

-spec on({atom(), atom()}, atom()) -> term().
on(System, Function) ->
    ok = pretend(System),
    ?MODULE:Function().

-spec fresh_on({atom(), atom()}, atom()) -> {term(), Printed :: binary()}.
fresh_on(System, Function) ->
    Node = gosocket_test_node:start(?MODULE, on, [System, Function], [{"GOSOCKET_HELPER", false}]),
    {{returned, Result}, Printed} = gosocket_test_node:wait(Node),
    ct:log("~p~n~p~n~ts", [System, Result, Printed]),
    {Result, Printed}.

%% ---- cases ----

-spec every_call_has_an_answer_off_linux(config()) -> term().
every_call_has_an_answer_off_linux(_) ->
    Called = [{Function, length(Arguments)} || {Function, Arguments, _} <- calls()]
        ++ [{Function, length(Arguments) + 1} || {Function, Arguments} <- socket_calls()],
    ?assertEqual([], ?S:module_info(exports) -- [{module_info, 0}, {module_info, 1}, {info, 0} | Called]),
    [begin
         {Answers, _} = fresh_on(System, answers),
         [?assertEqual({System, Function, Arguments, Expected}, {System, Function, Arguments, Got})
          || {Function, Arguments, Got, Expected} <- Answers]
     end || System <- ?ELSEWHERE].

%% Neither a process that waits nor a line in the log for each open: a project's tests may open thousands of times.
-spec nothing_is_started_off_linux(config()) -> term().
nothing_is_started_off_linux(_) ->
    [begin
         {{Opened, Info, Ports, Processes}, Printed} = fresh_on(System, open_and_look),
         ?assertEqual([{error, enotsup}], lists:usort(Opened)),
         ?assertMatch(#{counters := #{num_sockets := 0}, debug := false, use_registry := true}, Info),
         ?assertEqual({[], []}, {Ports, Processes}),
         ?assertEqual(nomatch, binary:match(Printed, <<"gosocket">>))
     end || System <- ?ELSEWHERE].

-spec open_and_look() -> {[term()], map(), [port()], [pid()]}.
open_and_look() ->
    _ = ?S:number_of(), % loads what is needed
    Before = {erlang:ports(), processes()},
    Opened = [?S:open(inet, stream) || _ <- lists:seq(1, 100)],
    Info = ?S:info(),
    ok = logger_std_h:filesync(default),
    {Opened, Info, erlang:ports() -- element(1, Before), processes() -- element(2, Before)}.

-spec sockets_of_a_linux_node_work_off_linux(config()) -> term().
sockets_of_a_linux_node_work_off_linux(_) ->
    Node = gosocket_test_cluster:start_node(),
    try
        Actor = gosocket_test_cluster:actor(Node),
        ok = run(Actor, fun() -> pretend({unix, darwin}) end),
        [begin
             {A, B} = gosocket_test_net:pair(Kind),
             Refused = run(Actor, fun() -> ?S:open(inet, stream) end),
             ?assertEqual({error, enotsup}, Refused),
             ok = run(Actor, fun() -> ?S:send(A, <<"from there">>) end),
             ?assertEqual({ok, <<"from there">>}, ?S:recv(B, 0, ?PATIENCE)),
             ok = ?S:send(B, <<"from here">>),
             ?assertEqual({ok, <<"from here">>}, run(Actor, fun() -> ?S:recv(A, 0, ?PATIENCE) end)),
             ?assertEqual({error, timeout}, run(Actor, fun() -> ?S:recv(A, 0, 20) end)),
             ?assertMatch({ok, _}, run(Actor, fun() -> ?S:sockname(A) end)),
             ok = run(Actor, fun() -> ?S:close(A) end),
             ok = ?S:close(B)
         end || Kind <- [{inet, stream}, {local, dgram}]]
    after
        gosocket_test_cluster:stop_node(Node)
    end.

%% So it is the system's name that made the difference above.
-spec same_fake_of_linux_changes_nothing(config()) -> term().
same_fake_of_linux_changes_nothing(_) ->
    {Answers, _} = fresh_on({unix, linux}, answers),
    ?assertMatch({open, _, {returned, {ok, {'$socket', _}}}, _}, lists:keyfind([inet, stream], 2, Answers)),
    ?assertMatch({_, _, {returned, true}, _}, lists:keyfind([options, socket, reuseaddr], 2, Answers)).
