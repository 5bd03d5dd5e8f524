%% @doc A group with two members on loopback, and who hears whom when one of them filters the senders:
%% `examples/run multicast'.
-module(multicast).

-export([main/0]).

-define(GROUP, {239, 255, 7, 3}). % for use inside one site (RFC 2365)
-define(LOOPBACK, {127, 0, 0, 1}).

-spec main() -> no_return().
main() ->
    logger:set_primary_config(level, warning),
    {Alice, Port} = member(0),
    {Bob, Port} = member(Port),
    Senders = [{Name, sender(Addr)} || {Name, Addr} <- [{"one", {127, 0, 0, 1}}, {"two", {127, 0, 0, 2}}]],
    io:format("alice and bob are members of ~s, port ~b; one (127.0.0.1) and two (127.0.0.2) send to it~n",
              [inet:ntoa(?GROUP), Port]),
    Source = #{multiaddr => ?GROUP, interface => ?LOOPBACK, sourceaddr => {127, 0, 0, 2}},
    Results = [
        show("at first", Senders, Port, [{"alice", Alice, ["one", "two"]}, {"bob", Bob, ["one", "two"]}]),
        begin
            ok = gosocket:setopt(Bob, ip, block_source, Source),
            show("bob has blocked two", Senders, Port, [{"alice", Alice, ["one", "two"]}, {"bob", Bob, ["one"]}])
        end,
        begin
            ok = gosocket:setopt(Bob, ip, msfilter, #{multiaddr => ?GROUP, interface => ?LOOPBACK, mode => include,
                                                      slist => [{127, 0, 0, 2}]}),
            show("bob hears nobody but two", Senders, Port, [{"alice", Alice, ["one", "two"]}, {"bob", Bob, ["two"]}])
        end,
        begin
            ok = gosocket:setopt(Alice, ip, drop_membership, #{multiaddr => ?GROUP, interface => ?LOOPBACK}),
            show("alice has left", Senders, Port, [{"alice", Alice, []}, {"bob", Bob, ["two"]}])
        end
    ],
    halt(case lists:all(fun(Right) -> Right end, Results) of true -> 0; false -> 1 end).

%% Two sockets share a port when both say so. Without multicast_all a socket hears only the groups that it has joined itself.
-spec member(gosocket:port_number()) -> {gosocket:socket(), gosocket:port_number()}.
member(Port) ->
    {ok, S} = gosocket:open(inet, dgram, udp),
    ok = gosocket:setopt(S, socket, reuseaddr, true),
    ok = gosocket:setopt(S, ip, multicast_all, false),
    {ok, Bound} = gosocket:bind(S, #{family => inet, addr => any, port => Port}),
    ok = gosocket:setopt(S, ip, add_membership, #{multiaddr => ?GROUP, interface => ?LOOPBACK}),
    {S, Bound}.

-spec sender(gosocket:ip4_address()) -> gosocket:socket().
sender(Addr) ->
    {ok, S} = gosocket:open(inet, dgram, udp),
    {ok, _} = gosocket:bind(S, #{family => inet, addr => Addr}),
    ok = gosocket:setopt(S, ip, multicast_if, ?LOOPBACK),
    S.

%% Every sender sends its name.
-spec show(string(), [{string(), gosocket:socket()}], gosocket:port_number(), [{string(), gosocket:socket(), [string()]}]) -> boolean().
show(When, Senders, Port, Members) ->
    [ok = gosocket:sendto(S, Name, #{family => inet, addr => ?GROUP, port => Port}) || {Name, S} <- Senders],
    Heard = [{Name, hears(S)} || {Name, S, _} <- Members],
    io:format("~s: ~s~n", [When, lists:join("; ", [[Name, " hears ", in_words(Names)] || {Name, Names} <- Heard])]),
    Right = [Names =:= Expected || {{_, Names}, {_, _, Expected}} <- lists:zip(Heard, Members)],
    lists:all(fun(Fine) -> Fine end, Right).

%% On loopback what was sent is there already.
-spec hears(gosocket:socket()) -> [string()].
hears(S) ->
    case gosocket:recv(S, 0, 0) of
        {ok, Name} -> [binary_to_list(Name) | hears(S)];
        {error, timeout} -> []
    end.

-spec in_words([string()]) -> iodata().
in_words([]) -> "nobody";
in_words(Names) -> lists:join(" and ", Names).
