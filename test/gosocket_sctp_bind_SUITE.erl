%% SCTP: several addresses of one socket, and associations with a socket of their own. Skipped on kernels that have none.
-module(gosocket_sctp_bind_SUITE).

-export([
    addresses_are_added_and_removed/1,
    the_first_addresses_bind_the_socket/1,
    a_peer_is_reached_at_each_address/1,
    inet6_sockets_have_addresses_of_both_families/1,
    addresses_that_cannot_be_had_are_refused/1,
    bad_arguments_raise/1,
    sockets_of_other_protocols_have_one_address/1,
    an_association_gets_a_socket_of_its_own/1,
    a_peeled_off_association_ends_for_itself/1,
    what_is_no_association_cannot_be_peeled_off/1,
    a_descriptor_that_nobody_opens_closes_with_its_socket/1
]).

-import(gosocket_test_sctp, [many/1, events/1, notification/1]).

-define(OURS, []).
-define(LACKING, gosocket_test_sctp:lacking()).
-include("gosocket_test.hrl").

%% ---- bind/3

-spec addresses_are_added_and_removed(config()) -> term().
addresses_are_added_and_removed(_) ->
    [begin
         {ok, Socket} = ?S:open(inet, Type, sctp),
         {ok, Port} = ?S:bind(Socket, inet(1, 0)),
         ok = ?S:listen(Socket),
         ok = ?S:bind(Socket, [inet(2, Port), inet(3, 0)], add),
         ?assertEqual([1, 2, 3], addresses(Socket, Port)),
         ?assertEqual([1, 2, 3], endpoint(Socket, Port)),
         ok = ?S:bind(Socket, [inet(1, Port), inet(2, Port)], remove),
         ?assertEqual([3], addresses(Socket, Port)),
         ?assertEqual([3], endpoint(Socket, Port)),
         ?assertEqual({ok, inet(3, Port)}, ?S:sockname(Socket)),
         close(Socket)
     end || Type <- [stream, seqpacket]].

-spec the_first_addresses_bind_the_socket(config()) -> term().
the_first_addresses_bind_the_socket(_) ->
    {ok, Socket} = ?S:open(inet, seqpacket, sctp),
    ok = ?S:bind(Socket, [inet(1, 0), inet(2, 0)], add),
    {ok, #{port := Port}} = ?S:sockname(Socket),
    ?assert(Port > 0),
    ?assertEqual([1, 2], addresses(Socket, Port)),
    ?assertEqual({error, einval}, ?S:bind(Socket, inet(3, 0))),
    close(Socket).

%% The peer learns of all of them, and is told no longer of one that was removed before.
-spec a_peer_is_reached_at_each_address(config()) -> term().
a_peer_is_reached_at_each_address(_) ->
    {ok, Server} = ?S:open(inet, seqpacket, sctp),
    ok = ?S:bind(Server, [inet(N, 0) || N <- [1, 2, 3]], add),
    ok = ?S:bind(Server, [inet(3, 0)], remove),
    ok = ?S:listen(Server),
    {ok, #{port := Port}} = ?S:sockname(Server),
    [begin
         {ok, Client} = ?S:open(inet, seqpacket, sctp),
         ok = ?S:sendto(Client, <<N>>, inet(N, Port)),
         {ok, {Source, <<N>>}} = ?S:recvfrom(Server, 0, ?PATIENCE),
         {ok, [Id]} = ?S:getopt(Client, sctp, get_assoc_id_list),
         {ok, Known} = ?S:getopt(Client, sctp, {get_peer_addrs, #{assoc_id => Id}}),
         ?assertEqual([inet(1, Port), inet(2, Port)], lists:sort(Known)),
         ok = ?S:sendto(Server, <<"back">>, Source),
         ?assertMatch({ok, <<"back">>}, ?S:recv(Client, 0, ?PATIENCE)),
         close(Client)
     end || N <- [1, 2]],
    {ok, Client} = ?S:open(inet, seqpacket, sctp),
    ?assertEqual({error, econnrefused}, ?S:connect(Client, inet(3, Port), ?PATIENCE)),
    close({Client, Server}).

-spec inet6_sockets_have_addresses_of_both_families(config()) -> term().
inet6_sockets_have_addresses_of_both_families(_) ->
    skip_unless(has_ipv6(), "no IPv6"),
    {ok, Socket} = ?S:open(inet6, seqpacket, sctp),
    ok = ?S:bind(Socket, [loopback, inet(1, 0)], add),
    ok = ?S:listen(Socket),
    {ok, #{port := Port}} = ?S:sockname(Socket),
    {ok, Bound} = ?S:getopt(Socket, sctp, get_local_addrs),
    ?assertEqual([{0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 16#ffff, 16#7f00, 16#0301}], lists:sort([Address || #{addr := Address} <- Bound])),
    [begin
         {ok, Client} = ?S:open(Domain, seqpacket, sctp),
         ok = ?S:sendto(Client, <<"hello">>, Address),
         ?assertMatch({ok, {#{family := inet6}, <<"hello">>}}, ?S:recvfrom(Socket, 0, ?PATIENCE)),
         close(Client)
     end || {Domain, Address} <- [{inet, inet(1, Port)}, {inet6, #{family => inet6, addr => loopback, port => Port}}]],
    close(Socket).

-spec addresses_that_cannot_be_had_are_refused(config()) -> term().
addresses_that_cannot_be_had_are_refused(_) ->
    {ok, Socket} = ?S:open(inet, seqpacket, sctp),
    {ok, Port} = ?S:bind(Socket, inet(1, 0)),
    ok = ?S:bind(Socket, [inet(4, 0)], add),
    [?assertEqual({Addresses, Action, {error, Reason}}, {Addresses, Action, ?S:bind(Socket, Addresses, Action)})
     || {Addresses, Action, Reason} <-
            [{[], add, einval},
             {[], remove, einval},
             {[#{family => inet, addr => {192, 0, 2, 77}, port => Port}], add, eaddrnotavail},
             {[inet(2, Port bxor 1)], add, einval},
             {[inet(2, Port), #{family => inet, addr => {192, 0, 2, 77}, port => Port}], add, eaddrnotavail},
             {[inet(2, Port)], remove, einval},
             {[inet(1, Port), inet(4, Port)], remove, ebusy},
             {[#{family => inet6, addr => loopback, port => Port}], add, einval},
             {[#{family => inet, addr => {127, 0, 3, 2}, port => 70000}], add, einval}]],
    ?assertEqual([1, 4], addresses(Socket, Port)),
    close(Socket),
    ?assertEqual({error, closed}, ?S:bind(Socket, [inet(2, 0)], add)).

-spec bad_arguments_raise(config()) -> term().
bad_arguments_raise(_) ->
    {ok, Socket} = ?S:open(inet, seqpacket, sctp),
    [?assertEqual({Addresses, Action, {error, Reason}}, {Addresses, Action, outcome(fun() -> ?S:bind(Socket, Addresses, Action) end)})
     || {Addresses, Action, Reason} <-
            [{[inet(1, 0)], change, badarg},
             {[inet(1, 0)], "add", badarg},
             {inet(1, 0), add, badarg},
             {[1, 2], add, badarg},
             {[inet(1, 0) | inet(2, 0)], add, badarg},
             {[somewhere], add, badarg},
             {[#{family => carrier_pigeon}], add, {invalid, {address, #{family => carrier_pigeon}}}}]],
    close(Socket),
    ?assertError(badarg, ?S:bind(Socket, [inet(1, 0)], change)),
    ?assertError(badarg, ?S:bind(socket, [inet(1, 0)], add)).

-spec sockets_of_other_protocols_have_one_address(config()) -> term().
sockets_of_other_protocols_have_one_address(_) ->
    [begin
         Socket = unconnected(Kind),
         ?assertEqual({Kind, {error, enotsup}}, {Kind, ?S:bind(Socket, [inet(1, 0)], add)}),
         close(Socket)
     end || Kind <- [{inet, stream}, {inet, dgram}, {local, seqpacket}]].

-spec inet(byte(), inet:port_number()) -> map().
inet(N, Port) -> #{family => inet, addr => {127, 0, 3, N}, port => Port}.

%% The last numbers of a socket's addresses, as it tells them itself,
-spec addresses(socket(), inet:port_number()) -> [byte()].
addresses(Socket, Port) ->
    {ok, Addresses} = ?S:getopt(Socket, sctp, get_local_addrs),
    lists:sort([N || #{family := inet, addr := {127, 0, 3, N}, port := P} <- Addresses, P =:= Port]).

%% and as the kernel lists them for everybody (/proc/net/sctp/eps).
-spec endpoint(socket(), inet:port_number()) -> [byte()].
endpoint(_, Port) ->
    {ok, Table} = file:read_file("/proc/net/sctp/eps"),
    [Line] = [Fields || Line <- string:lexemes(Table, "\n"), Fields <- [string:lexemes(Line, " ")],
                        lists:member(integer_to_binary(Port), Fields)],
    lists:sort([binary_to_integer(N) || <<"127.0.3.", N/binary>> <- Line]).

%% ---- Associations with a socket of their own

-spec an_association_gets_a_socket_of_its_own(config()) -> term().
an_association_gets_a_socket_of_its_own(_) ->
    {Server, [Leaving, Staying]} = many(2),
    Source = association(Server, Leaving),
    _ = association(Server, Staying),
    {ok, Id} = association_id(Server, Source),
    {ok, Own} = gosocket_sctp:peeloff(Server, Id),
    ?assertMatch(#{domain := inet, type := seqpacket, protocol := sctp, ctrl := Self} when Self =:= self(), ?S:info(Own)),
    ?assertEqual({ok, 1}, ?S:getopt(Server, sctp, get_assoc_number)),
    ok = ?S:send(Own, <<"who else">>),
    ?assertEqual({ok, <<"who else">>}, ?S:recv(Leaving, 0, ?PATIENCE)),
    Reader = start(fun() -> ?S:recv(Own, 0, ?PATIENCE) end),
    await_parked(Own, num_readers, 1),
    [ok = ?S:sendto(Peer, Data, local_address(Server)) || {Peer, Data} <- [{Leaving, <<"mine">>}, {Staying, <<"theirs">>}]],
    ?assertEqual([{ok, <<"mine">>}, {ok, <<"theirs">>}], [result(Reader), ?S:recv(Server, 0, ?PATIENCE)]),
    ?assertEqual({error, timeout}, ?S:recv(Server, 0, 0)),
    close({Server, Leaving, Staying, Own}).

-spec a_peeled_off_association_ends_for_itself(config()) -> term().
a_peeled_off_association_ends_for_itself(_) ->
    {Server, [Leaving, Staying]} = many(2),
    ok = ?S:setopt(Server, sctp, events, events([shutdown])),
    Source = association(Server, Leaving),
    _ = association(Server, Staying),
    {ok, Id} = association_id(Server, Source),
    {ok, Own} = gosocket_sctp:peeloff(Server, Id),
    ok = ?S:sendto(Leaving, <<"last">>, local_address(Server)),
    close(Leaving),
    ?assertEqual({ok, <<"last">>}, ?S:recv(Own, 0, ?PATIENCE)),
    ?assertMatch(#{type := shutdown_event, assoc_id := Id}, notification(Own)),
    ok = ?S:sendto(Staying, <<"still here">>, local_address(Server)),
    ?assertEqual({ok, <<"still here">>}, ?S:recv(Server, 0, ?PATIENCE)),
    close({Server, Staying, Own}).

-spec what_is_no_association_cannot_be_peeled_off(config()) -> term().
what_is_no_association_cannot_be_peeled_off(_) ->
    {Server, []} = many(0),
    ?assertEqual({error, einval}, gosocket_sctp:peeloff(Server, 4711)),
    ?assertEqual({error, einval}, ?S:getopt(Server, sctp, peeloff)),
    ?assertError(badarg, gosocket_sctp:peeloff(Server, first)),
    close(Server),
    ?assertEqual({error, closed}, gosocket_sctp:peeloff(Server, 1)).

%% In native mode too: level 132, option 102, a structure of two integers.
-spec a_descriptor_that_nobody_opens_closes_with_its_socket(config()) -> term().
a_descriptor_that_nobody_opens_closes_with_its_socket(_) ->
    {Server, [First, Second]} = many(2),
    Ids = [element(2, association_id(Server, association(Server, Client))) || Client <- [First, Second]],
    [FD, Other] = lists:zipwith(fun(Key, Id) -> {ok, FD} = ?S:getopt(Server, sctp, {Key, #{assoc_id => Id}}), FD end, [peeloff, peeloff], Ids),
    [?assertMatch({ok, "socket:" ++ _}, descriptor(N)) || N <- [FD, Other]],
    close(Server),
    [wait_until(fun() -> descriptor(N) =:= {error, enoent} end) || N <- [FD, Other]],
    close({First, Second}).

-spec descriptor(integer()) -> {ok, string()} | {error, atom()}.
descriptor(FD) -> file:read_link(lists:concat(["/proc/", helper_os_pid(), "/fd/", FD])).

%% Client makes itself known; returns its address as the server sees it.
-spec association(socket(), socket()) -> map().
association(Server, Client) ->
    ok = ?S:sendto(Client, <<"hello">>, local_address(Server)),
    {ok, {Source, <<"hello">>}} = ?S:recvfrom(Server, 0, ?PATIENCE),
    Source.

-spec association_id(socket(), map()) -> {ok, integer()}.
association_id(Server, Source) ->
    {ok, #{assoc_id := Id}} = ?S:getopt(Server, sctp, {get_peer_addr_info, #{address => Source}}),
    {ok, Id}.
