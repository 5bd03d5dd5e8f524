%% The helper driven by open_port, as a client without the Erlang side does it: what docs/protocol.md says.
-module(gosocket_protocol_SUITE).

-export([all/0, suite/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).

-export([
    hello_names_program_and_limits/1,
    every_call_of_the_document_is_served/1,
    batch_is_answered_like_single_requests/1,
    processes_and_references_are_any_terms/1,
    deadlines_are_relative_or_absolute/1,
    the_helper_tells_its_clock/1,
    select_message_follows_its_select/1,
    nowait_connect_is_finished_by_connect/1,
    cancelled_select_sends_nothing/1,
    close_aborts_selects_before_its_answer/1,
    send_is_asked_for_chunk_by_chunk/1,
    dropped_payload_is_asked_for_again/1,
    stray_chunks_are_ignored/1,
    message_is_gathered_up_to_the_limit/1,
    large_recv_comes_in_more_frames/1,
    next_reader_waits_for_delivery/1,
    delivered_ahead_needs_no_confirm/1,
    handed_back_results_come_again/1,
    waiting_processes_are_watched/1,
    death_of_a_waiting_process_drops_its_call/1,
    death_of_an_owner_closes_its_sockets/1,
    consumed_counts_every_byte/1,
    features_can_be_switched_off_one_by_one/1,
    pings_are_answered/1
]).
-export([nothing_is_left_behind/1]).

-include("gosocket_test.hrl").
-import(gosocket_test_lib, [wait_until/1, random/1, abstract/0]).
-import(gosocket_test_bare, [
    helper/2, bare/1, bare/2, encode/1, tell/2, next/1, next_bytes/1, until/2, until_pong/1, only_pong/1, ask/2,
    open/3, tcp_listener/1, tcp_pair/1, document/0
]).
-define(LOOPBACK(Port), #{family => inet, addr => {127, 0, 0, 1}, port => Port}).
%% The smallest that the helper takes.
-define(WINDOW, 4096).

-spec suite() -> [ct_suite:ct_info()].
suite() -> [{timetrap, {seconds, 60}}].

-spec all() -> [term()].
all() ->
    [{group, one_loop}, {group, several_loops}, nothing_is_left_behind].

-spec groups() -> [{atom(), [], [atom()]}].
groups() ->
    Cases = gosocket_test_lib:cases(?MODULE) -- [init_per_suite, end_per_suite, nothing_is_left_behind],
    [{Group, [], Cases} || Group <- [one_loop, several_loops]].

-spec init_per_suite(config()) -> config().
init_per_suite(Config) -> [{snapshot, gosocket_test_leaks:snapshot()} | Config].

-spec end_per_suite(config()) -> ok.
end_per_suite(_) -> ok.

-spec init_per_group(atom(), config()) -> config().
init_per_group(one_loop, Config) -> [{loops, 1} | Config];
init_per_group(several_loops, Config) -> [{loops, 3} | Config].

-spec end_per_group(atom(), config()) -> ok.
end_per_group(_, _) -> ok.

-spec nothing_is_left_behind(config()) -> ok.
nothing_is_left_behind(Config) -> gosocket_test_leaks:check(proplists:get_value(snapshot, Config)).

%% ---- requests ----

hello_names_program_and_limits(Config) ->
    {Port, Hello} = helper(Config, ["-window", "8192", "-frame-limit", "1000000", "-message-limit", "20000"]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    Loops = proplists:get_value(loops, Config),
    ?assertMatch(#{protocol := 0, pid := Pid, window := 8192, frame_limit := 1000000, message_limit := 20000,
                   loops := Loops, version := <<_, _/binary>>, clock := _, protections := #{}}, Hello),
    ?assertEqual(9, map_size(Hello)),
    only_pong(Port).

every_call_of_the_document_is_served(Config) ->
    Port = bare(Config),
    {Listener, Address} = tcp_listener(Port),
    Tcp = open(Port, stream, tcp),
    ?assertEqual(ok, ask(Port, {connect, Tcp, me, Address, 5000, []})),
    {ok, {Accepted, 2, 1, 6, 0}} = ask(Port, {accept, Listener, me, 5000, []}),
    ?assertEqual(ok, ask(Port, {send, Tcp, me, [], infinity, [], 3, <<"abc">>})),
    ?assertEqual({ok, <<"ab">>}, ask(Port, {recv, Accepted, me, 2, [], infinity, []})),
    ?assertEqual({error, {timeout, <<"c">>}}, ask(Port, {recv, Accepted, me, 2, [], 10, []})),
    ?assertEqual(ok, ask(Port, {shutdown, Tcp, write})),
    ?assertEqual({error, closed}, ask(Port, {recv, Accepted, me, 0, [], infinity, []})),
    ?assertEqual({ok, Address}, ask(Port, {peername, Tcp})),
    ?assertEqual({error, einval}, ask(Port, {cancel, Tcp, me, {select_info, recv, x}})),
    ?assertMatch({ok, #{num_readers := 0, counters := #{write_byte := 3}}}, ask(Port, {info, Tcp})),
    Udp = open(Port, dgram, udp),
    {ok, Number} = ask(Port, {bind, Udp, ?LOOPBACK(0)}),
    Self = ?LOOPBACK(Number),
    ?assertEqual({ok, Self}, ask(Port, {sockname, Udp})),
    ?assertEqual(ok, ask(Port, {setopt, Udp, me, socket, rcvbuf, 50000})),
    ?assertEqual({ok, 100000}, ask(Port, {getopt, Udp, socket, rcvbuf})),
    ?assertEqual(ok, ask(Port, {sendto, Udp, me, Self, [], infinity, [], 1, <<"x">>})),
    ?assertEqual({ok, {Self, <<"x">>}}, ask(Port, {recvfrom, Udp, me, 0, [], 5000, []})),
    ?assertEqual(ok, ask(Port, {sendmsg, Udp, me, Self, [], [], infinity, [], 1, <<"y">>})),
    ?assertEqual({ok, #{addr => Self, ctrl => [], flags => [], iov => [<<"y">>]}},
                 ask(Port, {recvmsg, Udp, me, 0, 0, [], 5000, []})),
    ?assertEqual({error, enotsup}, ask(Port, {bind, Udp, [Self], add})),
    {ok, FD} = ask(Port, {getopt, Udp, otp, fd}),
    {ok, {_, 2, 2, 17, Duplicate}} = ask(Port, {openfd, me, FD, #{}}),
    ?assertEqual(2 + FD, Duplicate),
    ?assertMatch({ok, {_, 2, 2, 17, 1}}, ask(Port, {openfd, me, FD, #{dup => false}})),
    ?assertEqual({error, ebadf}, ask(Port, {closefd, Udp, FD})),
    {ok, Supports} = ask(Port, {supports}),
    ?assertMatch({options, [_ | _]}, lists:keyfind(options, 1, Supports)),
    ?assertEqual({ok, true}, ask(Port, {is_supported, options, socket, reuseaddr})),
    ?assertEqual(ok, ask(Port, {close, Tcp, me})),
    ?assertEqual({error, closed}, ask(Port, {close, Tcp, me})),
    ?assertMatch({ok, [{options, _} | _]}, ask(Port, {supports})),
    ?assertMatch({ok, [{oob, true} | _]}, ask(Port, {supports, send_flags})),
    ?assertEqual({ok, []}, ask(Port, {supports, options, foo})),
    ?assertEqual([{ok, true}, {ok, true}, {ok, false}],
                 [ask(Port, Call) || Call <- [{is_supported, local}, {is_supported, options, tcp, nodelay}, {is_supported, foo, 17}]]),
    {ok, #{calls := Calls, loops := [Loop | _]} = Statistics} = ask(Port, {statistics}),
    ?assertMatch(#{open := 3, supports := 4, statistics := 1}, Calls),
    ?assertEqual(statistics_of_the_document(), lists:usort(maps:keys(Statistics) ++ maps:keys(Loop))),
    ?assertEqual(calls_of_the_document(), lists:usort([Name || {{called, Name}, true} <- get()])).

%% The names in the first column of the table of section 1.
calls_of_the_document() ->
    {match, Rows} = re:run(document(), "^\\| (`\\{.*?`) \\|", [global, multiline, {capture, [1], binary}]),
    {match, Names} = re:run(Rows, "`\\{([a-z_]+)", [global, {capture, [1], list}]),
    lists:usort([list_to_atom(Name) || [Name] <- Names]).

%% The names in its part about them.
statistics_of_the_document() ->
    {match, [Part]} = re:run(document(), "### Statistics\n(.*?)\n###", [dotall, {capture, [1], binary}]),
    {match, Names} = re:run(Part, "`([a-z_]+)`", [global, {capture, [1], list}]),
    lists:usort([list_to_atom(Name) || [Name] <- Names]).

batch_is_answered_like_single_requests(Config) ->
    Port = bare(Config),
    Socket = open(Port, dgram, udp),
    Calls = [{setopt, Socket, me, otp, rcvbuf, 1000 + N} || N <- lists:seq(1, 50)]
        ++ [{getopt, Socket, otp, rcvbuf}, {getopt, Socket, otp, no_such_option}, {sockname, Socket}],
    Ids = lists:seq(1, length(Calls)),
    tell(Port, lists:zip(Ids, Calls)),
    Batched = [next(Port) || _ <- Ids],
    ?assertEqual(Ids, [Id || {Id, _} <- Batched]),
    ?assertEqual({ok, 1050}, proplists:get_value(51, Batched)),
    ?assertEqual([ask(Port, Call) || Call <- Calls], [Result || {_, Result} <- Batched]),
    tell(Port, []),
    only_pong(Port).

processes_and_references_are_any_terms(Config) ->
    {Port, _} = helper(Config, []),
    Terms = [[], <<>>, 1.5, 1 bsl 100, "text", {a, [b | c]}, #{k => "v"}, self(), make_ref(), fun lists:map/2, <<1:3>>],
    [begin
         {ok, {Socket, _, _, _, _}} = ask(Port, {open, Term, inet, dgram, udp, #{}}),
         ?assertEqual({select, {select_info, recvfrom, Term}},
                      ask(Port, {recvfrom, Socket, Term, 0, [], nowait, Term})),
         {ok, #{ctrl := Term}} = ask(Port, {info, Socket}),
         ok = ask(Port, {close, Socket, closer}),
         ?assertEqual([{watch, Term}, {abort, Socket, Term, Term, closed}],
                      [next(Port), next(Port)]),
         Frames = [next(Port), next(Port)],
         ?assertMatch([_], [Frame || {closed, S, {undefined, _}} = Frame <- Frames, S =:= Socket]),
         ?assert(lists:member({unwatch, Term}, Frames))
     end || Term <- Terms].

deadlines_are_relative_or_absolute(Config) ->
    Port = bare(Config),
    Socket = open(Port, dgram, udp),
    Timed = fun(Timeout) ->
        gosocket_test_lib:elapsed(fun() -> ask(Port, {recvfrom, Socket, me, 0, [], Timeout(), []}) end)
    end,
    In = fun(Ms) -> fun() -> {at, os:perf_counter(nanosecond) + Ms * 1000000} end end,
    {T1, {error, timeout}} = Timed(fun() -> 100 end),
    {T2, {error, timeout}} = Timed(In(100)),
    {T3, {error, timeout}} = Timed(fun() -> 0 end),
    {T4, {error, timeout}} = Timed(In(-1000)),
    %% The absolute one began a moment before the clock of the test.
    ?assert(T1 >= 100 andalso T2 >= 99, {T1, T2}),
    ?assert(T3 < 100 andalso T4 < 100, {T3, T4}).

%% What {at, Nanoseconds} is compared with, on every machine where the tests run.
the_helper_tells_its_clock(Config) ->
    Before = os:perf_counter(nanosecond),
    {Port, #{clock := AtStart}} = helper(Config, []),
    Terms = [os:perf_counter(nanosecond), any],
    tell(Port, [{clock, Term} || Term <- Terms]),
    [{clock, Term, _} = next(Port) || Term <- Terms],
    {T1, {clock, again, Reading}, T2} = {os:perf_counter(nanosecond), asked(Port, {clock, again}), os:perf_counter(nanosecond)},
    ?assert(Before =< AtStart andalso AtStart =< T1, {Before, AtStart, T1}),
    ?assert(T1 - 100000 =< Reading andalso Reading =< T2, {T1, Reading, T2}).

asked(Port, Item) ->
    tell(Port, Item),
    next(Port).

%% ---- selects ----

select_message_follows_its_select(Config) ->
    Port = bare(Config),
    {A, B} = tcp_pair(Port),
    ?assertEqual({select, {select_info, recv, r1}}, ask(Port, {recv, B, me, 0, [], nowait, r1})),
    only_pong(Port),
    tell(Port, {1, {send, A, me, [], infinity, [], 2, <<"hi">>}}),
    ?assertEqual([{1, ok}, {select, B, me, r1}], lists:sort([next(Port), next(Port)])),
    ?assertEqual({ok, <<"hi">>}, ask(Port, {recv, B, me, 0, [], nowait, r2})),
    ?assertEqual({select, {select_info, recv, r3}}, ask(Port, {recv, B, me, 5, [], nowait, r3})),
    ok = ask(Port, {send, A, me, [], infinity, [], 2, <<"ho">>}),
    ?assertEqual({select, B, me, r3}, next(Port)),
    ?assertEqual({ok, {<<"ho">>, {select_info, recv, r4}}}, ask(Port, {recv, B, me, 5, [], nowait, r4})),
    only_pong(Port).

nowait_connect_is_finished_by_connect(Config) ->
    Port = bare(Config),
    {Listener, Address} = tcp_listener(Port),
    ?assertEqual({select, {select_info, accept, a}}, ask(Port, {accept, Listener, me, nowait, a})),
    Socket = open(Port, stream, tcp),
    Answer = ask(Port, {connect, Socket, me, Address, nowait, c}),
    ?assert(lists:member(Answer, [ok, {select, {select_info, connect, c}}])),
    Selects = [{select, Socket, me, c} || Answer =/= ok] ++ [{select, Listener, me, a}],
    ?assertEqual(lists:sort(Selects), lists:sort([next(Port) || _ <- Selects])),
    [?assertEqual(ok, ask(Port, {connect, Socket, me})) || Answer =/= ok],
    ?assertEqual({ok, Address}, ask(Port, {peername, Socket})),
    ?assertMatch({ok, {_, 2, 1, 6, 0}}, ask(Port, {accept, Listener, me, nowait, b})).

cancelled_select_sends_nothing(Config) ->
    Port = bare(Config),
    {A, B} = tcp_pair(Port),
    {select, Info} = ask(Port, {recv, B, me, 0, [], nowait, r}),
    ?assertEqual(ok, ask(Port, {cancel, B, me, Info})),
    ?assertEqual({error, einval}, ask(Port, {cancel, B, me, Info})),
    ok = ask(Port, {send, A, me, [], infinity, [], 1, <<"x">>}),
    ?assertEqual({ok, <<"x">>}, ask(Port, {recv, B, me, 1, [], 5000, []})),
    only_pong(Port).

close_aborts_selects_before_its_answer(Config) ->
    {Port, _} = helper(Config, []),
    Socket = open(Port, dgram, udp),
    [{select, _} = ask(Port, {recvfrom, Socket, {reader, N}, 0, [], nowait, {ref, N}}) || N <- [1, 2]],
    tell(Port, {7, {recvfrom, Socket, {reader, 3}, 0, [], infinity, []}}),
    ?assertMatch({ok, #{num_readers := 3}}, ask(Port, {info, Socket})),
    tell(Port, {8, {close, Socket, me}}),
    Frames = until({8, ok}, Port),
    [?assert(lists:member(Frame, Frames), {Frame, Frames})
     || Frame <- [{7, {error, closed}} | [{abort, Socket, {reader, N}, {ref, N}, closed} || N <- [1, 2]]]],
    ?assertMatch([16], [tuple_size(Counters) || {closed, S, {undefined, Counters}} <- Frames, S =:= Socket]).

%% ---- bulk ----

send_is_asked_for_chunk_by_chunk(Config) ->
    Port = bare(Config, ["-window", integer_to_list(?WINDOW)]),
    {A, B} = tcp_pair(Port),
    Data = random(10 * ?WINDOW + 17),
    Size = byte_size(Data),
    tell(Port, {1, {send, A, me, [], infinity, [], Size, binary:part(Data, 0, ?WINDOW)}}),
    Wants = feed(Port, 1, A, Data),
    ?assertEqual(Size - ?WINDOW, lists:sum([Bytes || {_, Bytes} <- Wants])),
    ?assert(lists:all(fun({_, Bytes}) -> Bytes =< ?WINDOW end, Wants)),
    ?assertEqual({ok, Data}, ask(Port, {recv, B, me, Size, [], 5000, []})).

%% Answers wants until the send is answered ok.
feed(Port, Id, Socket, Data) ->
    case next(Port) of
        {want, Id, Offset, Bytes} ->
            tell(Port, {chunk, Socket, Id, Offset, binary:part(Data, Offset, Bytes)}),
            [{Offset, Bytes} | feed(Port, Id, Socket, Data)];
        {Id, Result} ->
            ?assertEqual(ok, Result),
            []
    end.

%% More senders than the helper keeps payload for, none of whom the kernel lets go on before the readers come.
dropped_payload_is_asked_for_again(Config) ->
    Port = bare(Config, ["-window", integer_to_list(?WINDOW), "-parked-limit", integer_to_list(?WINDOW)]),
    Data = random(8 bsl 20),
    Size = byte_size(Data),
    Pairs = lists:zip(lists:seq(1, 4), [tcp_pair(Port) || _ <- lists:seq(1, 4)]),
    tell(Port, [{Id, {send, A, me, [], infinity, [], Size, binary:part(Data, 0, ?WINDOW)}} || {Id, {A, _}} <- Pairs]),
    Wants = blocked(Port, Pairs, Data, []),
    tell(Port, [{10 + Id, {recv, B, me, Size, [], infinity, []}} || {Id, {_, B}} <- Pairs]),
    Frames = exchange(Port, Pairs, Data, 2 * length(Pairs)),
    [begin
         ?assert(lists:member({Id, ok}, Frames)),
         More = [Part || {more, I, Part} <- Frames, I =:= 10 + Id],
         [{ok, Last}] = [Result || {I, Result} <- Frames, I =:= 10 + Id],
         ?assert(iolist_to_binary([More, Last]) =:= Data)
     end || {Id, _} <- Pairs],
    Asked = Wants ++ [{Id, Offset} || {want, Id, Offset, _} <- Frames],
    ?assertNotEqual([], Asked -- lists:usort(Asked)).

%% Feeds all senders until a whole second brings no want.
blocked(Port, Pairs, Data, Wants) ->
    receive
        {Port, {data, Frame}} ->
            {want, Id, Offset, Bytes} = binary_to_term(Frame),
            chunk(Port, Pairs, Data, {want, Id, Offset, Bytes}),
            blocked(Port, Pairs, Data, [{Id, Offset} | Wants])
    after 1000 -> Wants
    end.

chunk(Port, Senders, Data, {want, Id, Offset, Bytes}) ->
    {Id, {Socket, _}} = lists:keyfind(Id, 1, Senders),
    tell(Port, {chunk, Socket, Id, Offset, binary:part(Data, Offset, Bytes)}).

stray_chunks_are_ignored(Config) ->
    Port = bare(Config),
    {A, B} = tcp_pair(Port),
    tell(Port, [{chunk, A, 77, 0, <<"stray">>}, {chunk, 1 bsl 40, 1, 0, <<"stray">>}]),
    ok = ask(Port, {send, A, me, [], infinity, [], 1, <<"x">>}),
    ?assertEqual({error, {timeout, <<"x">>}}, ask(Port, {recv, B, me, 2, [], 20, []})),
    only_pong(Port).

message_is_gathered_up_to_the_limit(Config) ->
    Limit = 4 * ?WINDOW,
    Port = bare(Config, ["-window", integer_to_list(?WINDOW), "-message-limit", integer_to_list(Limit)]),
    {ok, {Socket, _, _, _, _}} = ask(Port, {open, me, local, dgram, default, #{}}),
    Address = abstract(),
    {ok, 0} = ask(Port, {bind, Socket, Address}),
    Data = random(Limit + 1),
    First = binary:part(Data, 0, ?WINDOW),
    tell(Port, {1, {sendto, Socket, me, Address, [], infinity, [], Limit, First}}),
    ?assertMatch([_ | _], feed(Port, 1, Socket, Data)),
    {ok, {_, Received}} = ask(Port, {recvfrom, Socket, me, Limit + 1, [], 5000, []}),
    ?assertEqual(binary:part(Data, 0, Limit), Received),
    ?assertEqual({error, {emsgsize, Limit + 1}},
                 ask(Port, {sendto, Socket, me, Address, [], infinity, [], Limit + 1, First})).

large_recv_comes_in_more_frames(Config) ->
    Port = bare(Config),
    {A, B} = tcp_pair(Port),
    Data = random(3 bsl 20),
    Size = byte_size(Data),
    tell(Port, [{1, {recv, B, me, Size, [], infinity, []}},
                {2, {send, A, me, [], infinity, [], Size, binary:part(Data, 0, 256 bsl 10)}}]),
    Frames = exchange(Port, [{2, {A, B}}], Data, 2),
    More = [Part || {more, 1, Part} <- Frames],
    ?assertMatch([_, _ | _], More),
    [{ok, Last}] = [Result || {1, Result} <- Frames],
    ?assert(iolist_to_binary([More, Last]) =:= Data).

%% Feeds the senders until so many requests are answered; all frames that came.
exchange(_, _, _, 0) ->
    [];
exchange(Port, Senders, Data, Open) ->
    case next(Port) of
        {want, _, _, _} = Want ->
            chunk(Port, Senders, Data, Want),
            [Want | exchange(Port, Senders, Data, Open)];
        {more, _, _} = Frame ->
            [Frame | exchange(Port, Senders, Data, Open)];
        {_, _} = Frame ->
            [Frame | exchange(Port, Senders, Data, Open - 1)]
    end.

%% ---- delivery ----

next_reader_waits_for_delivery(Config) ->
    {Port, A, B} = counted(Config),
    ok = ask(Port, {send, A, me, [], infinity, [], 2, <<"12">>}),
    ?assertEqual({ok, <<"1">>}, ask(Port, {recv, B, first, 1, [], infinity, []})),
    tell(Port, {1, {recv, B, second, 1, [], infinity, []}}),
    {confirm, N} = next(Port),
    only_pong(Port),
    tell(Port, {delivered, N}),
    ?assertEqual({1, {ok, <<"2">>}}, next(Port)).

delivered_ahead_needs_no_confirm(Config) ->
    {Port, A, B} = counted(Config),
    ok = ask(Port, {send, A, me, [], infinity, [], 2, <<"12">>}),
    ?assertEqual({ok, <<"1">>}, ask(Port, {recv, B, first, 1, [], infinity, []})),
    tell(Port, [{delivered, 1000}, {1, {recv, B, second, 1, [], infinity, []}}]),
    ?assertEqual({1, {ok, <<"2">>}}, next(Port)).

handed_back_results_come_again(Config) ->
    {Port, A, B} = counted(Config),
    ok = ask(Port, {send, A, me, [], infinity, [], 3, <<"123">>}),
    tell(Port, {1, {recv, B, first, 2, [], infinity, []}}),
    Bytes = next_bytes(Port),
    ?assertEqual({1, {ok, <<"12">>}}, binary_to_term(Bytes)),
    tell(Port, {2, {recv, B, second, 3, [], infinity, []}}),
    {confirm, N} = next(Port),
    tell(Port, [{handback, B, Bytes}, {delivered, N}]),
    ?assertEqual({2, {ok, <<"123">>}}, next(Port)).

%% A pair whose owner is known already, with delivery on.
counted(Config) ->
    {Port, _} = helper(Config, []),
    ok = ask(Port, {hello, #{watch => false, consumed => false, closed => false}}),
    {A, B} = tcp_pair(Port),
    {Port, A, B}.

waiting_processes_are_watched(Config) ->
    {Port, _} = helper(Config, []),
    {ok, {Socket, _, _, _, _}} = ask(Port, {open, owner, inet, dgram, udp, #{}}),
    ?assertEqual({watch, owner}, next(Port)),
    tell(Port, {1, {recvfrom, Socket, reader, 0, [], infinity, []}}),
    ?assertEqual({watch, reader}, next(Port)),
    tell(Port, {2, {recvfrom, Socket, owner, 0, [], 10, []}}),
    ?assertEqual({2, {error, timeout}}, next(Port)),
    tell(Port, {3, {close, Socket, owner}}),
    ?assertMatch([{1, {error, closed}}, {3, ok}, {unwatch, owner}, {closed, Socket, _}],
                 lists:sort([next(Port) || _ <- lists:seq(1, 4)])).

death_of_a_waiting_process_drops_its_call(Config) ->
    Port = bare(Config),
    {A, B} = tcp_pair(Port),
    tell(Port, {1, {recv, B, dying, 2, [], infinity, []}}),
    tell(Port, {2, {recv, B, living, 2, [], infinity, []}}),
    ?assertMatch({ok, #{num_readers := 2}}, ask(Port, {info, B})),
    tell(Port, {died, dying}),
    wait_until(fun() -> {ok, Info} = ask(Port, {info, B}), maps:get(num_readers, Info) =:= 1 end),
    tell(Port, {3, {send, A, me, [], infinity, [], 2, <<"12">>}}),
    ?assertEqual([{2, {ok, <<"12">>}}, {3, ok}], lists:sort([next(Port), next(Port)])),
    only_pong(Port).

death_of_an_owner_closes_its_sockets(Config) ->
    {Port, _} = helper(Config, []),
    {ok, {Socket, _, _, _, _}} = ask(Port, {open, owner, inet, dgram, udp, #{}}),
    ?assertEqual({watch, owner}, next(Port)),
    tell(Port, {died, owner}),
    {closed, Socket, {owner, Counters}} = next(Port),
    ?assertEqual(list_to_tuple(lists:duplicate(16, 0)), Counters),
    ?assertEqual({error, closed}, ask(Port, {sockname, Socket})),
    only_pong(Port).

consumed_counts_every_byte(Config) ->
    {Port, _} = helper(Config, []),
    Ping = {ping, binary:copy(<<0>>, 300 bsl 10)},
    Frames = lists:append([begin tell(Port, Ping), until(setelement(1, Ping, pong), Port) end || _ <- lists:seq(1, 5)]),
    Sent = 5 * (4 + byte_size(encode(Ping))),
    Consumed = lists:sum([Bytes || {consumed, Bytes} <- Frames]),
    ?assert(Consumed =< Sent, {Consumed, Sent}),
    ?assert(Consumed > Sent - (256 bsl 10), {Consumed, Sent}).

features_can_be_switched_off_one_by_one(Config) ->
    [begin
         {Port, _} = helper(Config, []),
         ok = ask(Port, {hello, #{Off => false}}),
         Frames = everything(Port),
         Kinds = [watch, unwatch, confirm, closed, consumed],
         Missing = [Kind || Kind <- Kinds, not lists:member(Kind, Frames)],
         ?assertEqual({Off, Gone}, {Off, Missing}),
         true = port_close(Port)
     end || {Off, Gone} <- [{watch, [watch, unwatch]}, {delivered, [confirm]}, {closed, [closed]},
                            {consumed, [consumed]}]].

%% Makes the helper send each kind of frame that a client can do without; the kinds that came.
everything(Port) ->
    {ok, {Socket, _, _, _, _}} = ask(Port, {open, owner, inet, dgram, udp, #{}}),
    {A, B} = tcp_pair(Port),
    ok = ask(Port, {send, A, me, [], infinity, [], 2, <<"12">>}),
    {ok, <<"1">>} = ask(Port, {recv, B, first, 1, [], infinity, []}),
    tell(Port, {1, {recv, B, second, 1, [], infinity, []}}),
    tell(Port, {2, {close, Socket, owner}}),
    [settle(Port, S) || S <- [Socket, B]],
    tell(Port, {delivered, 1000}),
    ok = ask(Port, {close, B, me}),
    settle(Port, B),
    Padding = binary:copy(<<0>>, 300 bsl 10),
    tell(Port, {ping, Padding}),
    [element(1, Frame) || Frame <- until({pong, Padding}, Port)].

%% What a loop does at its end of a round has been sent when it answers in a second one.
settle(Port, Socket) ->
    [_ = ask(Port, {sockname, Socket}) || _ <- [1, 2]].

pings_are_answered(Config) ->
    Port = bare(Config),
    Terms = [0, 1 bsl 70, any, #{}],
    tell(Port, [{ping, Term} || Term <- Terms]),
    ?assertEqual([{pong, Term} || Term <- Terms], [next(Port) || _ <- Terms]).
