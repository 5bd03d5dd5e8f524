%% Bad arguments: which are exceptions and which are errors, and what is looked at first. A row is
%% {Function, Arguments behind the socket, Outcome}; {raise, Reason} stands for error:Reason.
-module(gosocket_validation_SUITE).

-export([
    what_is_no_socket_is_badarg_in_every_call/1,
    a_reference_that_is_no_socket_is_badarg_in_every_call/1,
    open_names_what_is_invalid/1,
    open_ignores_unknown_options/1,
    open_refuses_misspelt_options/1,
    open_reports_what_the_kernel_lacks/1,
    protocol_defaults_are_read_back/1,
    bind_refuses_what_is_no_address/1,
    bind_3_refuses_bad_actions/1,
    connect_refuses_what_is_no_address/1,
    listen_refuses_what_is_no_backlog/1,
    listen_takes_negative_and_huge_backlogs/1,
    recv_refuses_bad_lengths_flags_and_timeouts/1,
    recvfrom_refuses_bad_sizes_flags_and_timeouts/1,
    recvmsg_refuses_bad_sizes_flags_and_timeouts/1,
    send_refuses_bad_data_flags_and_timeouts/1,
    sendto_refuses_bad_data_addresses_and_flags/1,
    sendmsg_refuses_bad_headers/1,
    accept_refuses_bad_timeouts/1,
    shutdown_refuses_bad_directions/1,
    setopt_names_what_is_not_supported/1,
    getopt_names_what_is_not_supported/1,
    cancel_refuses_what_is_no_select_info/1,
    bad_arguments_come_before_closed/1,
    every_call_on_a_closed_socket_says_closed/1,
    info_of_a_closed_socket_keeps_its_counters/1,
    calls_in_the_wrong_state_give_the_error_of_the_kernel/1,
    a_length_that_no_memory_holds_is_exalloc/1,
    sctp_seqpacket_without_kernel_support_is_an_error/1
]).

-define(OURS, [a_reference_that_is_no_socket_is_badarg_in_every_call, open_refuses_misspelt_options]).
-include("gosocket_test.hrl").

-define(INVALID_FLAG, {raise, {invalid, {flag, foo}}}).

%% ---- the socket itself ----

-spec what_is_no_socket_is_badarg_in_every_call(config()) -> term().
what_is_no_socket_is_badarg_in_every_call(_) ->
    [check(NoSocket, [{Function, Arguments, {raise, badarg}}])
     || NoSocket <- [foo, {'$socket', 17}, {'$socket', make_ref(), 1}, {socket, make_ref()}, make_ref()],
        {Function, Arguments} <- good_calls()].

%% The reference ends with a segmentation fault in send.
-spec a_reference_that_is_no_socket_is_badarg_in_every_call(config()) -> term().
a_reference_that_is_no_socket_is_badarg_in_every_call(_) ->
    [check({'$socket', Reference}, [{Function, Arguments, {raise, badarg}}])
     || Reference <- [make_ref(), atomics:new(1, []), atomics:new(40, []), counters_reference()],
        {Function, Arguments} <- good_calls()].

%% A reference to memory of another sort (the term of module counters).
-spec counters_reference() -> reference().
counters_reference() ->
    element(2, counters:new(8, [])).

-spec good_calls() -> [{Function :: atom(), Arguments :: [term()]}].
good_calls() ->
    Address = #{family => inet, addr => loopback, port => 9},
    Info = {select_info, recv, make_ref()},
    [{bind, [loopback]}, {connect, [Address]}, {connect, [Address, 10]}, {listen, []}, {listen, [5]}, {accept, [0]},
     {accept, [nowait]}, {recv, [0, 0]}, {recv, [0, [], nowait]}, {recvfrom, [0, 0]}, {recvfrom, [0, [], nowait]},
     {recvmsg, [0]}, {recvmsg, [0, 0, [], nowait]}, {send, [<<"x">>]}, {send, [<<"x">>, [], nowait]},
     {sendto, [<<"x">>, Address]}, {sendto, [<<"x">>, Address, [], nowait]}, {sendmsg, [#{iov => [<<"x">>]}]},
     {sendmsg, [#{iov => [<<"x">>]}, [], nowait]}, {close, []}, {shutdown, [write]}, {sockname, []}, {peername, []},
     {getopt, [otp, rcvbuf]}, {setopt, [otp, rcvbuf, 10]}, {cancel, [Info]}].

%% ---- open ----

-spec open_names_what_is_invalid(config()) -> term().
open_names_what_is_invalid(_) ->
    check([{open, [foo, stream], {raise, {invalid, {domain, foo}}}},
           {open, [inet, foo], {raise, {invalid, {type, foo}}}},
           {open, [inet, rdm], {raise, {invalid, {type, rdm}}}},
           {open, [inet, stream, foo], {raise, {invalid, {protocol, foo}}}},
           {open, [inet, raw, {raw, x}], {raise, {invalid, {protocol, {raw, x}}}}},
           {open, [inet, stream, tcp, []], {raise, badarg}},
           {open, [1.0], {raise, badarg}},
           {open, [1 bsl 31], {raise, badarg}},
           {open, [foo, foo, foo, #{}], {raise, {invalid, {domain, foo}}}},
           {open, [inet, foo, foo, #{}], {raise, {invalid, {type, foo}}}}]).

-spec open_ignores_unknown_options(config()) -> term().
open_ignores_unknown_options(_) ->
    {ok, Socket} = ?S:open(inet, dgram, udp, #{colour => blue, name => 1, 17 => 18, [a | b] => 1, {} => 2, '' => 3, <<255>> => 4}),
    ?assertEqual({ok, false}, ?S:getopt(Socket, otp, debug)),
    {ok, Twin} = ?S:open(gosocket_test_fd:fd(Socket), #{colour => blue, lane => Socket}),
    close([Socket, Twin]).

%% Whoever means one of ours has less around the socket than was asked for.
-spec open_refuses_misspelt_options(config()) -> term().
open_refuses_misspelt_options(_) ->
    Both = [lanes, lan, lnae, 'Lane', "lane", <<"lane">>, la_ne, line, debugs, use_registri, useregistry, "use_registry"],
    check([{open, [inet, stream, tcp, #{Key => default}], {raise, badarg}} || Key <- [netnss, netn, net_ns, 'NETNS', "netns" | Both]]
          ++ [{open, [0, #{Key => default}], {raise, badarg}} || Key <- [dupe, holders, holder_, domian, <<"dup">> | Both]]).

-spec open_reports_what_the_kernel_lacks(config()) -> term().
open_reports_what_the_kernel_lacks(_) ->
    check([{open, [local, stream, tcp], {error, eprotonosupport}},
           {open, [inet, stream, udp], {error, eprotonosupport}},
           {open, [inet, dgram, tcp], {error, eprotonosupport}},
           {open, [inet, stream, sctp, #{netns => "/" ++ unique()}], {error, enoent}},
           {open, [inet, stream, tcp, #{netns => "/dev/null"}], {error, einval}}]).

-spec sctp_seqpacket_without_kernel_support_is_an_error(config()) -> term().
sctp_seqpacket_without_kernel_support_is_an_error(_) ->
    {ok, Protocols} = file:read_file("/proc/net/protocols"),
    skip_unless(binary:match(Protocols, <<"SCTP">>) =:= nomatch, "this kernel has SCTP"),
    check([{open, [inet, seqpacket, sctp], {error, esocktnosupport}},
           {open, [inet, stream, sctp], {error, eprotonosupport}}]).

-spec protocol_defaults_are_read_back(config()) -> term().
protocol_defaults_are_read_back(_) ->
    [begin
         {ok, Socket} = ?S:open(Domain, Type, Protocol),
         #{domain := Domain, type := Type, protocol := Shown} = ?S:info(Socket),
         ?assertEqual({Domain, Type, Protocol, Expected, Read},
                      {Domain, Type, Protocol, Shown, ?S:getopt(Socket, socket, protocol)}),
         close(Socket)
     end || {Domain, Type, Protocol, Expected, Read} <-
                [{inet, stream, default, tcp, {ok, tcp}}, {inet, stream, ip, tcp, {ok, tcp}},
                 {inet, dgram, default, udp, {ok, udp}}, {inet6, stream, tcp, tcp, {ok, tcp}},
                 {inet6, dgram, default, udp, {ok, udp}}, {local, stream, default, ip, {ok, default}},
                 {local, dgram, ip, ip, {ok, default}}, {local, seqpacket, default, ip, {ok, default}}]].

%% ---- bind, connect, listen ----

-spec bad_addresses() -> [map()].
bad_addresses() ->
    [#{}, #{port => 1}, #{family => packet}, #{family => foo}, #{family => local}, #{family => local, path => ""},
     #{family => local, path => <<>>}, #{family => local, path => lists:duplicate(256, $p)}].

-spec bind_refuses_what_is_no_address(config()) -> term().
bind_refuses_what_is_no_address(_) ->
    Socket = unconnected({inet, stream}),
    check(Socket, [{bind, [Term], {raise, badarg}} || Term <- [foo, {127, 0, 0, 1}, 80, "any", []]]),
    check(Socket, [{bind, [Map], {raise, {invalid, {address, Map}}}} || Map <- bad_addresses()]),
    close(Socket).

-spec bind_3_refuses_bad_actions(config()) -> term().
bind_3_refuses_bad_actions(_) ->
    Socket = unconnected({inet, stream}),
    check(Socket, [{bind, [[#{family => inet, addr => loopback}], Action], {raise, badarg}} || Action <- [foo, 1, []]]),
    close(Socket).

-spec connect_refuses_what_is_no_address(config()) -> term().
connect_refuses_what_is_no_address(_) ->
    Socket = unconnected({inet, stream}),
    check(Socket, [{connect, [Term], {raise, {invalid, {address, Term}}}}
                   || Term <- [foo, any, loopback, {127, 0, 0, 1}, 80 | bad_addresses()]]),
    check(Socket, [{connect, [#{family => inet, addr => loopback, port => 9}, Timeout], {raise, badarg}}
                   || Timeout <- bad_timeouts()]),
    check(Socket, [{connect, [], {error, einval}}]),
    close(Socket).

-spec listen_refuses_what_is_no_backlog(config()) -> term().
listen_refuses_what_is_no_backlog(_) ->
    Socket = bound({inet, stream}),
    check(Socket, [{listen, [Backlog], {raise, badarg}} || Backlog <- [foo, 1.0, "5", 1 bsl 31]]),
    close(Socket).

-spec listen_takes_negative_and_huge_backlogs(config()) -> term().
listen_takes_negative_and_huge_backlogs(_) ->
    Socket = bound({inet, stream}),
    check(Socket, [{listen, [Backlog], ok} || Backlog <- [-1, 0, 5, (1 bsl 31) - 1]]),
    ?assertEqual({ok, true}, ?S:getopt(Socket, socket, acceptconn)),
    close(Socket).

%% ---- receiving ----

-spec bad_timeouts() -> [term()].
bad_timeouts() ->
    [-1, 1.0, foo, "10"].

-spec recv_refuses_bad_lengths_flags_and_timeouts(config()) -> term().
recv_refuses_bad_lengths_flags_and_timeouts(_) ->
    {A, B} = pair({inet, stream}),
    check(A, [{recv, [Length], {raise, badarg}} || Length <- [-1, 1.0, foo, 1 bsl 64]]),
    check(A, [{recv, [0, [], Timeout], {raise, badarg}} || Timeout <- bad_timeouts()]),
    check(A, [{recv, [0, foo, 0], {raise, badarg}},
              {recv, [0, [foo], 0], ?INVALID_FLAG},
              {recv, [0, [peek, foo], 0], ?INVALID_FLAG},
              {recv, [0, [eor], 0], {raise, {invalid, {flag, eor}}}},
              {recv, [0, [peek | oob], 0], {raise, function_clause}}]),
    close({A, B}).

-spec recvfrom_refuses_bad_sizes_flags_and_timeouts(config()) -> term().
recvfrom_refuses_bad_sizes_flags_and_timeouts(_) ->
    {A, B} = pair({inet, dgram}),
    check(A, [{recvfrom, [Size, [], 0], {raise, badarg}} || Size <- [-1, 1.0, foo, 1 bsl 32]]),
    check(A, [{recvfrom, [0, [], Timeout], {raise, badarg}} || Timeout <- bad_timeouts()]),
    check(A, [{recvfrom, [[]], {raise, badarg}},
              {recvfrom, [0, [foo], 0], ?INVALID_FLAG},
              {recvfrom, [[foo], 0], ?INVALID_FLAG}]),
    close({A, B}).

-spec recvmsg_refuses_bad_sizes_flags_and_timeouts(config()) -> term().
recvmsg_refuses_bad_sizes_flags_and_timeouts(_) ->
    {A, B} = pair({inet, dgram}),
    check(A, [{recvmsg, [Size, 0, [], 0], {raise, badarg}} || Size <- [-1, 1.0, foo, 1 bsl 32]]),
    check(A, [{recvmsg, [0, Size, [], 0], {raise, badarg}} || Size <- [-1, 1.0, foo, 1 bsl 32]]),
    check(A, [{recvmsg, [0, 0, [], Timeout], {raise, badarg}} || Timeout <- bad_timeouts()]),
    check(A, [{recvmsg, [0, 0, [foo], 0], ?INVALID_FLAG},
              {recvmsg, [[foo], 0], ?INVALID_FLAG},
              {recvmsg, [0, foo], {raise, function_clause}},
              {recvmsg, [nowait, infinity], {raise, function_clause}}]),
    close({A, B}).

-spec accept_refuses_bad_timeouts(config()) -> term().
accept_refuses_bad_timeouts(_) ->
    Listener = listener({inet, stream}),
    check(Listener, [{accept, [Timeout], {raise, badarg}} || Timeout <- bad_timeouts()]),
    close(Listener).

-spec a_length_that_no_memory_holds_is_exalloc(config()) -> term().
a_length_that_no_memory_holds_is_exalloc(_) ->
    {A, B} = pair({inet, stream}),
    check(A, [{recv, [1 bsl 62, 0], {error, exalloc}}]),
    close({A, B}).

%% ---- sending ----

-spec bad_data() -> [term()].
bad_data() ->
    [foo, 17, <<1:3>>, [256], [foo], ["a" | foo], #{}].

-spec send_refuses_bad_data_flags_and_timeouts(config()) -> term().
send_refuses_bad_data_flags_and_timeouts(_) ->
    {A, B} = pair({inet, stream}),
    check(A, [{send, [Data], {raise, badarg}} || Data <- bad_data()]),
    check(A, [{send, [<<"x">>, [], Timeout], {raise, badarg}} || Timeout <- bad_timeouts()]),
    check(A, [{send, [<<"x">>, [foo]], ?INVALID_FLAG},
              {send, [<<"x">>, [peek]], {raise, {invalid, {flag, peek}}}}]),
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    close({A, B}).

-spec sendto_refuses_bad_data_addresses_and_flags(config()) -> term().
sendto_refuses_bad_data_addresses_and_flags(_) ->
    Socket = bound({inet, dgram}),
    Good = local_address(Socket),
    check(Socket, [{sendto, [Data, Good], {raise, badarg}} || Data <- bad_data()]),
    check(Socket, [{sendto, [<<"x">>, Term], {raise, {invalid, {address, Term}}}} || Term <- [foo, any, 80 | bad_addresses()]]),
    check(Socket, [{sendto, [<<"x">>, Good, [], Timeout], {raise, badarg}} || Timeout <- bad_timeouts()]),
    check(Socket, [{sendto, [<<"x">>, Good, [foo]], ?INVALID_FLAG},
                   {sendto, ["ab", Good], ok}]),
    close(Socket).

-spec sendmsg_refuses_bad_headers(config()) -> term().
sendmsg_refuses_bad_headers(_) ->
    {A, B} = pair({inet, dgram}),
    check(A, [{sendmsg, [Header], {raise, {invalid, {not_supported, Header}}}}
              || Header <- [#{}, #{iov => []}, #{iov => <<"x">>}, #{iov => foo}]]),
    check(A, [{sendmsg, [#{iov => [Element]}], {raise, badarg}} || Element <- [foo, 17.0, <<1:3>>]]),
    check(A, [{sendmsg, [#{iov => [<<"x">>], ctrl => Ctrl}], {error, einval}}
              || Ctrl <- [foo, [foo], [#{}], [#{level => socket}], [#{level => foo, type => rights, data => <<>>}],
                          [#{level => socket, type => foo, data => <<>>}], [#{level => ip, type => ttl, data => foo}]]]),
    check(A, [{sendmsg, [#{iov => [<<"x">>]}, [foo]], ?INVALID_FLAG},
              {sendmsg, [#{iov => [<<"x">>], ctrl => []}], ok},
              {sendmsg, [#{iov => [<<"x">>], flags => [foo]}], ok},
              {sendmsg, [#{iov => ["nested", [<<"data">>]]}], ok}]),
    close({A, B}).

-spec shutdown_refuses_bad_directions(config()) -> term().
shutdown_refuses_bad_directions(_) ->
    {A, B} = pair({inet, stream}),
    check(A, [{shutdown, [How], {raise, {invalid, {how, How}}}} || How <- [foo, 1, both]]),
    close({A, B}).

%% ---- options, cancel ----

-spec setopt_names_what_is_not_supported(config()) -> term().
setopt_names_what_is_not_supported(_) ->
    Socket = unconnected({inet, stream}),
    Unsupported = fun(What) -> {raise, {invalid, {not_supported, What}}} end,
    check(Socket, [{setopt, [foo, bar, 1], Unsupported(foo)},
                   {setopt, [socket, foo, 1], Unsupported({socket, foo})},
                   {setopt, [otp, foo, 1], Unsupported({otp, foo})},
                   {setopt, [tcp, foo, 1], Unsupported({tcp, foo})}]),
    check(Socket, [{setopt, [Level, Key, Value], Unsupported({Level, Key, Value})}
                   || {Level, Key, Value} <- [{otp, debug, 1}, {otp, rcvbuf, -1}, {otp, rcvbuf, foo}, {otp, rcvbuf, {0, 10}},
                                              {otp, rcvctrlbuf, foo}, {socket, reuseaddr, 1}, {socket, rcvbuf, foo},
                                              {socket, linger, 5}, {socket, keepalive, foo}, {tcp, nodelay, 1}]]),
    check(Socket, [{setopt, [Level, Key, 1], {error, einval}}
                   || {Level, Key} <- [{socket, type}, {socket, error}, {socket, acceptconn}, {otp, domain}, {otp, fd}]]),
    close(Socket).

-spec getopt_names_what_is_not_supported(config()) -> term().
getopt_names_what_is_not_supported(_) ->
    Socket = unconnected({inet, stream}),
    Unsupported = fun(What) -> {raise, {invalid, {not_supported, What}}} end,
    check(Socket, [{getopt, [foo, bar], Unsupported(foo)},
                   {getopt, [socket, foo], Unsupported({socket, foo})},
                   {getopt, [tcp, foo], Unsupported({tcp, foo})},
                   {getopt, [otp, foo], Unsupported({otp, foo})},
                   {getopt, [socket, "type"], {raise, badarg}},
                   {getopt, [otp, "rcvbuf"], {error, einval}}]),
    close(Socket).

-spec cancel_refuses_what_is_no_select_info(config()) -> term().
cancel_refuses_what_is_no_select_info(_) ->
    {A, B} = pair({inet, stream}),
    check(A, [{cancel, [Term], {raise, badarg}} || Term <- [foo, {select_info, recv}, make_ref(), {info, recv, make_ref()}]]),
    check(A, [{cancel, [{select_info, foo, make_ref()}], {error, einval}},
              {cancel, [{select_info, recv, 17}], {error, einval}},
              {cancel, [{select_info, recv, make_ref()}], {error, einval}}]),
    close({A, B}).

%% ---- states ----

-spec bad_arguments_come_before_closed(config()) -> term().
bad_arguments_come_before_closed(_) ->
    Socket = unconnected({inet, stream}),
    close(Socket),
    check(Socket, [{recv, [-1], {raise, badarg}},
                   {recv, [0, [foo]], ?INVALID_FLAG},
                   {send, [foo], {raise, badarg}},
                   {send, [<<"x">>, [foo]], ?INVALID_FLAG},
                   {connect, [foo], {raise, {invalid, {address, foo}}}},
                   {bind, [#{}], {raise, {invalid, {address, #{}}}}},
                   {shutdown, [foo], {raise, {invalid, {how, foo}}}},
                   {accept, [-1], {raise, badarg}},
                   {setopt, [foo, bar, 1], {raise, {invalid, {not_supported, foo}}}},
                   {setopt, [socket, type, 1], {error, einval}},
                   {recv, [-1, [foo], foo], {raise, badarg}}]).

-spec every_call_on_a_closed_socket_says_closed(config()) -> term().
every_call_on_a_closed_socket_says_closed(_) ->
    Socket = unconnected({inet, stream}),
    close(Socket),
    Expected = fun(Call) when Call =:= send; Call =:= sendto -> {error, {closed, 1}};
                  (_) -> {error, closed}
               end,
    check(Socket, [{Function, Arguments, Expected(Function)} || {Function, Arguments} <- good_calls()]),
    check(Socket, [{connect, [], {error, closed}}]),
    check(Socket, [{cancel, [{select_info, Tag, make_ref()}], {error, closed}}
                   || Tag <- [accept, connect, recv, recvfrom, recvmsg, send, sendto, sendmsg]]).

-spec info_of_a_closed_socket_keeps_its_counters(config()) -> term().
info_of_a_closed_socket_keeps_its_counters(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"abc">>),
    {ok, <<"abc">>} = ?S:recv(B, 3),
    #{counters := Counters} = ?S:info(B),
    close({A, B}),
    ?assertMatch(#{counters := Counters, ctrl := undefined, domain := inet, type := stream, protocol := tcp}, ?S:info(B)).

-spec calls_in_the_wrong_state_give_the_error_of_the_kernel(config()) -> term().
calls_in_the_wrong_state_give_the_error_of_the_kernel(_) ->
    Tcp = unconnected({inet, stream}),
    Udp = unconnected({inet, dgram}),
    Local = unconnected({local, stream}),
    {Connected, Peer} = pair({inet, stream}),
    Listener = listener({inet, stream}),
    check(Tcp, [{recv, [], {error, enotconn}}, {recvfrom, [], {error, enotconn}}, {recvmsg, [], {error, enotconn}},
                {send, ["abc"], {error, {epipe, 3}}}, {sendmsg, [#{iov => ["abc"]}], {error, epipe}},
                {shutdown, [write], {error, enotconn}}, {peername, [], {error, enotconn}}, {accept, [], {error, einval}}]),
    check(Udp, [{accept, [], {error, enotsup}}, {listen, [], {error, enotsup}}, {shutdown, [read], {error, enotconn}},
                {send, ["abc"], {error, {edestaddrreq, 3}}}]),
    check(Local, [{listen, [], {error, einval}}]),
    check(Connected, [{listen, [], {error, einval}}, {connect, [local_address(Listener)], ok},
                      {connect, [local_address(Listener)], {error, eisconn}}]),
    check(Listener, [{connect, [local_address(Peer)], {error, eisconn}}, {listen, [7], ok}]),
    close([Tcp, Udp, Local, Connected, Peer, Listener]).

%% ---- rows ----

-spec check(term(), [{atom(), [term()], Outcome :: term()}]) -> ok.
check(Socket, Rows) ->
    check([{Function, [Socket | Arguments], Outcome} || {Function, Arguments, Outcome} <- Rows]).

-spec check([{atom(), [term()], Outcome :: term()}]) -> ok.
check(Rows) ->
    [?assertEqual({Function, Arguments, Expected}, {Function, Arguments, plain(outcome(fun() -> apply(?S, Function, Arguments) end))})
     || {Function, Arguments, Expected} <- Rows],
    ok.

-spec plain({returned | error, term()}) -> term().
plain({returned, Value}) -> Value;
plain({error, Reason}) -> {raise, Reason}.
