%% info/0,1 and its counters, the registry.
-module(gosocket_info_SUITE).

-export([
    info_has_all_keys_of_the_man_page/1,
    info_shows_domain_type_and_protocol/1,
    info_shows_how_a_socket_was_made/1,
    readable_and_writable_follow_shutdown_and_close/1,
    numbers_count_current_and_waiting/1,
    counters_start_at_0/1,
    receive_counters/1,
    partial_reads_count_bytes_but_no_package/1,
    messages_count_packages_but_no_maximum/1,
    end_of_stream_counts_as_failure/1,
    waiting_receive_counts_one_wait/1,
    send_counters/1,
    send_in_many_steps_counts_every_byte/1,
    failed_send_counts_as_failure/1,
    accept_counters/1,
    waiting_accept_counts_one_wait/1,
    queued_calls_count_nothing/1,
    registry_lists_the_newest_first/1,
    registry_forgets_closed_sockets/1,
    registry_filters/1,
    registry_filter_by_function/1,
    registry_filter_that_raises_reaches_the_caller/1,
    registry_can_be_switched_off_and_overridden/1,
    accepted_sockets_follow_their_listener/1,
    info_0_counts_sockets/1,
    debug_flags_show_in_info_0/1,
    table_has_a_row_for_each_socket/1,
    table_names_protocols/1,
    table_of_some_fields_or_some_sockets/1,
    table_shortens_ipv6_addresses/1,
    table_refuses_other_terms/1
]).

-define(OURS, [
    info_has_all_keys_of_the_man_page,
    readable_and_writable_follow_shutdown_and_close,
    waiting_receive_counts_one_wait,
    send_in_many_steps_counts_every_byte,
    waiting_accept_counts_one_wait,
    registry_filter_that_raises_reaches_the_caller,
    info_0_counts_sockets,
    table_has_a_row_for_each_socket,
    table_names_protocols,
    table_of_some_fields_or_some_sockets,
    table_shortens_ipv6_addresses,
    table_refuses_other_terms
]).
-define(ONE_LANE, [
    info_shows_how_a_socket_was_made,
    table_has_a_row_for_each_socket,
    table_of_some_fields_or_some_sockets
]).
-include("gosocket_test.hrl").

-spec counters(socket(), [atom()]) -> [non_neg_integer()].
counters(Socket, Keys) ->
    #{counters := Counters} = ?S:info(Socket),
    [maps:get(Key, Counters) || Key <- Keys].

%% ---- info/1 ----

-spec info_has_all_keys_of_the_man_page(config()) -> term().
info_has_all_keys_of_the_man_page(_) ->
    Socket = unconnected({inet, stream}),
    Info = ?S:info(Socket),
    ?assertEqual(lists:sort([domain, type, protocol, ctrl, ctype, counters, num_readers, num_writers, num_acceptors, writable,
                             readable]), lists:sort(maps:keys(Info))),
    ?assertEqual(counter_names(), lists:sort(maps:keys(maps:get(counters, Info)))),
    close(Socket).

-spec counter_names() -> [atom()].
counter_names() ->
    lists:sort([read_byte, read_fails, read_pkg, read_pkg_max, read_tries, read_waits, write_byte, write_fails, write_pkg,
                write_pkg_max, write_tries, write_waits, acc_success, acc_fails, acc_tries, acc_waits]).

-spec info_shows_domain_type_and_protocol(config()) -> term().
info_shows_domain_type_and_protocol(_) ->
    [begin
         Socket = unconnected(Kind),
         Self = self(),
         ?assertMatch(#{domain := Domain, type := Type, protocol := Protocol, ctrl := Self, ctype := normal,
                        num_readers := 0, num_writers := 0, num_acceptors := 0}, ?S:info(Socket)),
         close(Socket)
     end || {{Domain, Type} = Kind, Protocol} <- [{{inet, stream}, tcp}, {{inet, dgram}, udp}, {{inet6, stream}, tcp},
                                                  {{local, stream}, ip}, {{local, dgram}, ip}, {{local, seqpacket}, ip}]].

-spec info_shows_how_a_socket_was_made(config()) -> term().
info_shows_how_a_socket_was_made(_) ->
    Socket = unconnected({inet, stream}),
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    {ok, Copy} = ?S:open(FD),
    ?assertMatch(#{ctype := {fromfd, FD}, domain := inet, type := stream, protocol := tcp}, ?S:info(Copy)),
    {ok, Same} = ?S:open(FD, #{dup => false}),
    ?assertMatch(#{ctype := fromfd}, ?S:info(Same)),
    close([Copy, Same, Socket]).

-spec readable_and_writable_follow_shutdown_and_close(config()) -> term().
readable_and_writable_follow_shutdown_and_close(_) ->
    [begin
         {A, B} = pair({inet, stream}),
         ?assertMatch(#{readable := true, writable := true}, ?S:info(A)),
         ok = ?S:shutdown(A, How),
         ?assertMatch({How, #{readable := Readable, writable := Writable}}, {How, ?S:info(A)}),
         close({A, B}),
         ?assertMatch(#{readable := false, writable := false}, ?S:info(A))
     end || {How, Readable, Writable} <- [{read, false, true}, {write, true, false}, {read_write, false, false}]].

-spec numbers_count_current_and_waiting(config()) -> term().
numbers_count_current_and_waiting(_) ->
    [begin
         #{socket := Socket, others := Others, call := Call, parked := Parked} = gosocket_test_blocked:make(Name),
         Actors = [actor() || _ <- lists:seq(1, 5)],
         [{select, _} = run(Actor, fun() -> Call(nowait) end) || Actor <- Actors],
         Numbers = maps:with([num_readers, num_writers, num_acceptors], ?S:info(Socket)),
         ?assertEqual({Name, #{num_readers => 0, num_writers => 0, num_acceptors => 0, Parked => 5}}, {Name, Numbers}),
         [kill(Actor) || Actor <- Actors],
         await_parked(Socket, Parked, 0),
         close([Socket | Others])
     end || Name <- [accept, recv, recvfrom, recvmsg, sendto, sendmsg]].

%% ---- counters ----

-spec counters_start_at_0(config()) -> term().
counters_start_at_0(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual([0], lists:usort(counters(Socket, counter_names()))),
    close(Socket).

-spec receive_counters(config()) -> term().
receive_counters(_) ->
    {A, B} = pair({local, stream}),
    [begin
         ok = ?S:send(A, Data),
         {ok, Data} = ?S:recv(B, 0)
     end || Data <- [<<"abc">>, <<"abcdefghij">>, <<"ab">>]],
    ?assertEqual([15, 3, 10, 3, 0], counters(B, [read_byte, read_pkg, read_pkg_max, read_tries, read_fails])),
    ok = ?S:send(A, <<"peeked">>),
    {ok, <<"peek">>} = ?S:recv(B, 4, [peek]),
    ?assertEqual([19, 4], counters(B, [read_byte, read_pkg])),
    close({A, B}).

-spec partial_reads_count_bytes_but_no_package(config()) -> term().
partial_reads_count_bytes_but_no_package(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:send(A, <<"abcd">>),
    {ok, {<<"abcd">>, _}} = ?S:recv(B, 10, nowait),
    ?assertEqual([4, 0, 0], counters(B, [read_byte, read_pkg, read_pkg_max])),
    ok = ?S:send(A, <<"efghij">>),
    {ok, <<"efghij">>} = ?S:recv(B, 6, nowait),
    ?assertEqual([10, 1, 6], counters(B, [read_byte, read_pkg, read_pkg_max])),
    close({A, B}).

-spec messages_count_packages_but_no_maximum(config()) -> term().
messages_count_packages_but_no_maximum(_) ->
    {A, B} = pair({local, dgram}),
    [ok = ?S:send(A, <<"abc">>) || _ <- [1, 2]],
    {ok, _} = ?S:recvfrom(B),
    {ok, _} = ?S:recvmsg(B),
    ?assertEqual([6, 2, 0], counters(B, [read_byte, read_pkg, read_pkg_max])),
    close({A, B}).

-spec end_of_stream_counts_as_failure(config()) -> term().
end_of_stream_counts_as_failure(_) ->
    {A, B} = pair({local, stream}),
    close(A),
    {error, closed} = ?S:recv(B),
    {error, closed} = ?S:recvmsg(B),
    ?assertEqual([2, 0, 0], counters(B, [read_fails, read_byte, read_pkg])),
    close(B).

-spec waiting_receive_counts_one_wait(config()) -> term().
waiting_receive_counts_one_wait(_) ->
    {A, B} = pair({local, stream}),
    Reader = start(fun() -> ?S:recv(B, 6) end),
    await_parked(B, num_readers, 1),
    [begin
         ok = ?S:send(A, <<"ab">>),
         wait_until(fun() -> counters(B, [read_byte]) =:= [N] end)
     end || N <- [2, 4, 6]],
    {ok, <<"ababab">>} = result(Reader),
    ?assertEqual([1, 1, 0], counters(B, [read_waits, read_pkg, read_fails])),
    close({A, B}).

-spec send_counters(config()) -> term().
send_counters(_) ->
    {A, B} = pair({local, stream}),
    [ok = ?S:send(A, Data) || Data <- [<<"abc">>, <<"abcdefghij">>, <<"ab">>]],
    ok = ?S:sendmsg(A, #{iov => [<<"msg">>]}),
    ?assertEqual([18, 4, 10, 4, 0, 0], counters(A, [write_byte, write_pkg, write_pkg_max, write_tries, write_waits, write_fails])),
    ok = ?S:send(A, <<>>),
    ?assertEqual([18, 5], counters(A, [write_byte, write_pkg])),
    close({A, B}).

%% The reference loses the bytes of all steps but the last.
-spec send_in_many_steps_counts_every_byte(config()) -> term().
send_in_many_steps_counts_every_byte(_) ->
    {A, B} = small_pair({local, stream}),
    Reader = start(fun() -> drain(B, 1 bsl 20) end),
    ok = ?S:send(A, binary:copy(<<"x">>, 1 bsl 20)),
    ok = result(Reader),
    [Bytes, Packages, Largest, Waits] = counters(A, [write_byte, write_pkg, write_pkg_max, write_waits]),
    ?assertEqual([1 bsl 20, 1, 1 bsl 20], [Bytes, Packages, Largest]),
    ?assert(Waits > 0),
    close({A, B}).

-spec failed_send_counts_as_failure(config()) -> term().
failed_send_counts_as_failure(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:shutdown(A, write),
    {error, {epipe, 1}} = ?S:send(A, <<"x">>),
    {error, epipe} = ?S:sendmsg(A, #{iov => [<<"x">>]}),
    ?assertEqual([2, 0, 0], counters(A, [write_fails, write_pkg, write_byte])),
    close({A, B}).

-spec accept_counters(config()) -> term().
accept_counters(_) ->
    Listener = listener({inet, stream}),
    Clients = [unconnected({inet, stream}) || _ <- [1, 2]],
    Accepted = [accepted(Listener, Client) || Client <- Clients],
    ?assertEqual([2, 0, 0], counters(Listener, [acc_success, acc_fails, acc_tries])),
    {select, _} = ?S:accept(Listener, nowait),
    ?assertEqual([2, 0, 1], counters(Listener, [acc_success, acc_fails, acc_tries])),
    ok = ?S:shutdown(Listener, read_write),
    {error, _} = ?S:accept(Listener, nowait),
    ?assertEqual([2, 1], counters(Listener, [acc_success, acc_fails])),
    close([Listener | Clients ++ Accepted]).

-spec waiting_accept_counts_one_wait(config()) -> term().
waiting_accept_counts_one_wait(_) ->
    Listener = listener({local, stream}),
    Acceptor = actor(),
    Accepting = cast(Acceptor, fun() -> ?S:accept(Listener) end),
    await_parked(Listener, num_acceptors, 1),
    Client = unconnected({local, stream}),
    ok = ?S:connect(Client, local_address(Listener)),
    {ok, _} = answer(Accepting),
    ?assertEqual([1, 1, 0], counters(Listener, [acc_success, acc_waits, acc_fails])),
    kill(Acceptor),
    close({Listener, Client}).

-spec queued_calls_count_nothing(config()) -> term().
queued_calls_count_nothing(_) ->
    {A, B} = pair({local, stream}),
    {select, _} = ?S:recv(B, 0, nowait),
    Before = counters(B, counter_names()),
    Actors = [actor() || _ <- [1, 2]],
    [{select, _} = run(Actor, fun() -> ?S:recv(B, 0, nowait) end) || Actor <- Actors],
    ?assertEqual(Before, counters(B, counter_names())),
    [kill(Actor) || Actor <- Actors],
    close({A, B}).

%% ---- registry ----

%% Of this process: others may have sockets too.
-spec mine() -> [socket()].
mine() ->
    ?S:which_sockets(self()).

-spec registry_lists_the_newest_first(config()) -> term().
registry_lists_the_newest_first(_) ->
    Number = ?S:number_of(),
    Sockets = [unconnected({inet, dgram}) || _ <- lists:seq(1, 5)],
    ?assertEqual(Number + 5, ?S:number_of()),
    ?assertEqual(lists:reverse(Sockets), mine()),
    ?assertEqual(lists:reverse(Sockets), lists:sublist(?S:which_sockets(), 5)),
    close(Sockets).

-spec registry_forgets_closed_sockets(config()) -> term().
registry_forgets_closed_sockets(_) ->
    Socket = unconnected({inet, dgram}),
    ?assertEqual([Socket], mine()),
    ?assertEqual({ok, true}, ?S:getopt(Socket, otp, use_registry)),
    close(Socket),
    ?assertEqual([], mine()),
    Owner = actor(),
    Other = run(Owner, fun() -> unconnected({inet, dgram}) end),
    ?assertEqual([Other], ?S:which_sockets(Owner)),
    kill(Owner),
    wait_until(fun() -> not lists:member(Other, ?S:which_sockets()) end).

-spec registry_filters(config()) -> term().
registry_filters(_) ->
    [Tcp, Udp, Tcp6, Stream, Packet] = Sockets =
        [unconnected(Kind) || Kind <- [{inet, stream}, {inet, dgram}, {inet6, stream}, {local, stream}, {local, seqpacket}]],
    [?assertEqual({Filter, lists:sort(Expected)},
                  {Filter, lists:sort([Socket || Socket <- ?S:which_sockets(Filter), lists:member(Socket, Sockets)])})
     || {Filter, Expected} <- [{inet, [Tcp, Udp]}, {inet6, [Tcp6]}, {stream, [Tcp, Tcp6, Stream]}, {dgram, [Udp]},
                               {seqpacket, [Packet]}, {tcp, [Tcp, Tcp6]}, {udp, [Udp]}, {sctp, []}, {self(), Sockets}]],
    [?assertEqual({Term, {error, function_clause}}, {Term, outcome(fun() -> ?S:which_sockets(Term) end)})
     || Term <- [local, raw, foo, 17]],
    close(Sockets).

-spec registry_filter_by_function(config()) -> term().
registry_filter_by_function(_) ->
    Sockets = [unconnected(Kind) || Kind <- [{inet, stream}, {local, stream}, {local, dgram}]],
    Self = self(),
    ?assertEqual(tl(Sockets), lists:reverse(?S:which_sockets(fun(#{domain := Domain, ctrl := Owner}) ->
        Domain =:= local andalso Owner =:= Self
    end))),
    close(Sockets).

-spec registry_filter_that_raises_reaches_the_caller(config()) -> term().
registry_filter_that_raises_reaches_the_caller(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual({throw, mine}, outcome(fun() -> ?S:which_sockets(fun(_) -> throw(mine) end) end)),
    ?assertMatch({error, _}, outcome(fun() -> ?S:which_sockets(fun(_) -> foo end) end)),
    close(Socket).

%% Proves: otp use_registry
-spec registry_can_be_switched_off_and_overridden(config()) -> term().
registry_can_be_switched_off_and_overridden(_) ->
    ?assertEqual({error, function_clause}, outcome(fun() -> ?S:use_registry(foo) end)),
    ok = ?S:use_registry(false),
    try
        Off = unconnected({inet, dgram}),
        {ok, On} = ?S:open(inet, dgram, udp, #{use_registry => true}),
        ?assertEqual([On], mine()),
        ?assertEqual({ok, false}, ?S:getopt(Off, otp, use_registry)),
        close({Off, On})
    after
        ok = ?S:use_registry(true)
    end,
    {ok, Hidden} = ?S:open(inet, dgram, udp, #{use_registry => false}),
    ?assertEqual([], mine()),
    close(Hidden).

-spec accepted_sockets_follow_their_listener(config()) -> term().
accepted_sockets_follow_their_listener(_) ->
    {ok, Listener} = ?S:open(local, stream, default, #{use_registry => false}),
    {ok, 0} = ?S:bind(Listener, abstract()),
    ok = ?S:listen(Listener),
    Client = unconnected({local, stream}),
    Accepted = accepted(Listener, Client),
    ?assertEqual([Client], mine()),
    ?assertEqual({ok, false}, ?S:getopt(Accepted, otp, use_registry)),
    close({Listener, Client, Accepted}).

%% The reference counts local sockets as inet6 and forgets accepted ones.
-spec info_0_counts_sockets(config()) -> term().
info_0_counts_sockets(_) ->
    Keys = [num_sockets, num_tstreams, num_tdgrams, num_tseqpkgs, num_dinet, num_dinet6, num_dlocal, num_ptcp, num_pudp],
    Before = info_counters(Keys),
    {A, B} = pair({inet, stream}),
    Others = [unconnected(Kind) || Kind <- [{inet, dgram}, {inet6, stream}, {local, seqpacket}]],
    ?assertEqual([5, 3, 1, 1, 3, 1, 1, 3, 1], lists:zipwith(fun erlang:'-'/2, info_counters(Keys), Before)),
    close([A, B | Others]),
    ?assertEqual(Before, info_counters(Keys)).

-spec info_counters([atom()]) -> [non_neg_integer()].
info_counters(Keys) ->
    #{counters := Counters} = ?S:info(),
    [maps:get(Key, Counters) || Key <- Keys].

-spec debug_flags_show_in_info_0(config()) -> term().
debug_flags_show_in_info_0(_) ->
    ?assertMatch(#{debug := false, socket_debug := false, use_registry := true, iow := false}, ?S:info()),
    [?assertEqual({error, function_clause}, outcome(fun() -> ?S:Function(foo) end)) || Function <- [debug, socket_debug]],
    [begin
         ok = ?S:Function(true),
         ?assertMatch(#{Key := true}, ?S:info()),
         ok = ?S:Function(false),
         ?assertMatch(#{Key := false}, ?S:info())
     end || {Function, Key} <- [{debug, debug}, {socket_debug, socket_debug}]].

%% ---- the table ----

%% The cells of the lines that a call prints. No cell has two spaces in it, or is empty but at the end.
-spec printed(fun(() -> ok)) -> [[string()]].
printed(Print) ->
    ct:capture_start(),
    ok = Print(),
    ct:capture_stop(),
    Lines = string:lexemes(lists:append(ct:capture_get([])), "\n"),
    [string:lexemes(Line, " ") || Line <- Lines].

-spec table_has_a_row_for_each_socket(config()) -> term().
table_has_a_row_for_each_socket(_) ->
    Idle = unconnected({inet, stream}),
    Bound = bound({inet, dgram}),
    Listener = listener({inet, stream}),
    {A, B} = pair({inet, stream}),
    Acceptor = actor(),
    {select, _} = run(Acceptor, fun() -> ?S:accept(Listener, nowait) end),
    {ok, Local} = ?S:open(local, dgram),
    {ok, _} = ?S:bind(Local, #{family => local, path => <<0, "a", 1>>}),
    ok = ?S:send(A, <<"hello">>),
    {ok, <<"hello">>} = ?S:recv(B),
    Owner = self(),
    Self = pid_to_list(Owner),
    [["FD", "Domain", "Type", "Protocol", "Recv", "Sent", "Owner", "Local", "Address", "Foreign", "Address", "State"] | Rows] =
        printed(fun() -> ?S:i(Owner) end),
    Expected = [[fd(Idle), "inet", "stream", "tcp", "0", "0", Self, "*:*", "IDLE"],
                [fd(Bound), "inet", "dgram", "udp", "0", "0", Self, place(Bound), "BOUND"],
                [fd(Listener), "inet", "stream", "tcp", "0", "0", Self, place(Listener), "ACCEPTING"],
                [fd(A), "inet", "stream", "tcp", "0", "5", Self, place(A), place(B), "CONNECTED"],
                [fd(B), "inet", "stream", "tcp", "5", "0", Self, place(B), place(A), "CONNECTED"],
                [fd(Local), "local", "dgram", "ip", "0", "0", Self, "@a?", "BOUND"]],
    ?assertEqual(Expected, Rows),
    ?assertEqual([], Expected -- printed(fun() -> ?S:i() end)),
    kill(Acceptor),
    await_parked(Listener, num_acceptors, 0),
    ?assert(lists:member([fd(Listener), "LISTENING"], printed(fun() -> ?S:i([fd, state]) end))),
    close([Idle, Bound, Listener, A, B, Local]).

%% By the name that the kernel's number has, where it has one.
-spec table_names_protocols(config()) -> term().
table_names_protocols(_) ->
    Sockets = [{Shown, ?S:open(inet, raw, Protocol)} || {Shown, Protocol} <- [{"icmp", icmp}, {"icmp", {raw, 1}}, {"igmp", igmp}, {"200", {raw, 200}}]],
    skip_unless([Error || {_, {error, _} = Error} <- Sockets] =:= [], "no raw sockets without the capability net_raw"),
    Rows = printed(fun() -> ?S:i([fd, protocol]) end),
    ?assertEqual([], [[fd(Socket), Shown] || {Shown, {ok, Socket}} <- Sockets] -- Rows),
    close([Socket || {_, {ok, Socket}} <- Sockets]).

-spec fd(socket()) -> string().
fd(Socket) ->
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    integer_to_list(FD).

-spec place(socket()) -> string().
place(Socket) ->
    #{port := Port} = local_address(Socket),
    "127.0.0.1:" ++ integer_to_list(Port).

-spec table_of_some_fields_or_some_sockets(config()) -> term().
table_of_some_fields_or_some_sockets(_) ->
    [Tcp, Udp] = Sockets = [unconnected(Kind) || Kind <- [{inet, stream}, {inet, dgram}]],
    [["State", "FD"] | Rows] = printed(fun() -> ?S:i([state, fd]) end),
    ?assertEqual([], [["IDLE", fd(Socket)] || Socket <- Sockets] -- Rows),
    [?assertEqual({Filter, Shown}, {Filter, [fd(Socket) || Socket <- Sockets, [FD | _] <- printed(fun() -> ?S:i(Filter) end),
                                                           FD =:= fd(Socket)]})
     || {Filter, Shown} <- [{tcp, [fd(Tcp)]}, {dgram, [fd(Udp)]}, {inet6, []}, {self(), [fd(Tcp), fd(Udp)]}]],
    close(Sockets),
    ?assertEqual([], [Row || [FD | _] = Row <- printed(fun() -> ?S:i(self()) end), FD =/= "FD"]).

-spec table_shortens_ipv6_addresses(config()) -> term().
table_shortens_ipv6_addresses(_) ->
    skip_unless(has_ipv6(), "no IPv6"),
    Any = unconnected({inet6, dgram}),
    Listener = listener({inet6, stream}),
    #{port := Port} = local_address(Listener),
    Mapped = unconnected({inet6, dgram}),
    ok = ?S:setopt(Mapped, ipv6, v6only, false),
    ok = ?S:connect(Mapped, #{family => inet6, addr => {0, 0, 0, 0, 0, 16#ffff, 16#7f00, 1}, port => 9}),
    #{port := MappedPort} = local_address(Mapped),
    Rows = printed(fun() -> ?S:i([fd, local_address, foreign_address]) end),
    ?assertEqual([], [[fd(Any), "*:*"], [fd(Listener), "[::1]:" ++ integer_to_list(Port)],
                      [fd(Mapped), "[::ffff:7f00:1]:" ++ integer_to_list(MappedPort), "[::ffff:7f00:1]:9"]] -- Rows),
    close([Any, Listener, Mapped]).

-spec table_refuses_other_terms(config()) -> term().
table_refuses_other_terms(_) ->
    Socket = unconnected({inet, dgram}),
    [?assertMatch({Term, {error, function_clause}}, {Term, outcome(fun() -> ?S:i(Term) end)})
     || Term <- [local, raw, all, 17, [foo], [fd, 17]]],
    close(Socket).
