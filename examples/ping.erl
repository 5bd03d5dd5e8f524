%% @doc Sends echo requests from raw sockets and prints how long their answers took:
%% `examples/run ping [ADDRESS [COUNT]]'. Without an address, both loopbacks.
-module(ping).

-export([main/0]).

-type domain() :: inet | inet6.
-type received() :: [Microseconds :: float()].

-define(COUNT, 4).
-define(PAUSE, 200). % ms between requests
-define(PATIENCE, 1000).

%% RFC 792, RFC 4443
-define(ICMP_REPLY, 0).
-define(ICMP_REQUEST, 8).
-define(ICMPV6_REQUEST, 128).
-define(ICMPV6_REPLY, 129).

-spec main() -> no_return().
main() ->
    logger:set_primary_config(level, warning),
    {Addresses, Count} = arguments(init:get_plain_arguments()),
    halt(lists:max([ping(Address, Count) || Address <- Addresses])).

-spec arguments([string()]) -> {[inet:ip_address()], pos_integer()}.
arguments([]) -> {[{127, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}], ?COUNT};
arguments([Host]) -> {[address(Host)], ?COUNT};
arguments([Host, Count]) -> {[address(Host)], list_to_integer(Count)}.

-spec address(string()) -> inet:ip_address().
address(Host) ->
    case [Address || Family <- [inet, inet6], {ok, Address} <- [inet:getaddr(Host, Family)]] of
        [Address | _] ->
            Address;
        [] ->
            io:format("~s: no such host~n", [Host]),
            halt(2)
    end.

%% The exit status: 0 when answers came, or when they cannot be asked for.
-spec ping(inet:ip_address(), pos_integer()) -> 0 | 1.
ping(Address, Count) ->
    Domain = case tuple_size(Address) of
                 4 -> inet;
                 8 -> inet6
             end,
    case open(Domain) of
        {ok, S} ->
            To = #{family => Domain, addr => Address},
            Times = [Time || Sequence <- lists:seq(1, Count), Time <- [round_trip(Domain, S, To, Sequence, Count)], Time =/= lost],
            ok = gosocket:close(S),
            report(Address, Count, Times);
        {error, Reason} when Reason =:= eperm; Reason =:= eacces ->
            io:format("~s: not asked: raw sockets need root or the capability CAP_NET_RAW (on the helper, by setcap(8)), and the~n"
                      "sockets of net.ipv4.ping_group_range are for other groups~n", [inet:ntoa(Address)]),
            0;
        {error, eafnosupport} ->
            io:format("~s: not asked: this system has no ~s~n", [inet:ntoa(Address), Domain]),
            0
    end.

%% A raw socket, or the kind that the kernel lets some groups have (icmp(7)).
-spec open(domain()) -> {ok, gosocket:socket()} | {error, term()}.
open(Domain) ->
    Protocol = case Domain of
                   inet -> icmp;
                   inet6 -> {raw, 58}
               end,
    case gosocket:open(Domain, raw, Protocol) of
        {error, eperm} -> gosocket:open(Domain, dgram, Protocol);
        Result -> Result
    end.

-spec round_trip(domain(), gosocket:socket(), gosocket:sockaddr(), pos_integer(), pos_integer()) -> float() | lost.
round_trip(Domain, S, To, Sequence, Count) ->
    Cookie = cookie(),
    Start = erlang:monotonic_time(),
    Time = case gosocket:sendto(S, request(Domain, Sequence, Cookie), To) of
               ok -> await_reply(Domain, S, Sequence, Cookie, Start);
               {error, {Reason, _}} -> Reason
           end,
    io:format("~s: request ~b: ~s~n", [inet:ntoa(maps:get(addr, To)), Sequence, in_words(Time)]),
    Sequence < Count andalso timer:sleep(?PAUSE),
    case is_float(Time) of
        true -> Time;
        false -> lost
    end.

-spec in_words(float() | atom()) -> string().
in_words(Time) when is_float(Time) -> io_lib:format("~.3f ms", [Time / 1000]);
in_words(timeout) -> "no answer";
in_words(Reason) -> atom_to_list(Reason).

%% Others on this host may ping too: what was sent tells whose an answer is.
-spec cookie() -> binary().
cookie() -> <<(rand:uniform(1 bsl 58)):64>>.

-spec request(domain(), pos_integer(), binary()) -> binary().
request(inet, Sequence, Cookie) ->
    checksum(<<?ICMP_REQUEST, 0, 0:16, 0:16, Sequence:16, Cookie/binary>>);
request(inet6, Sequence, Cookie) -> % the kernel sees to the checksum (RFC 3542)
    <<?ICMPV6_REQUEST, 0, 0:16, 0:16, Sequence:16, Cookie/binary>>.

%% RFC 1071, for an even number of bytes
-spec checksum(binary()) -> binary().
checksum(<<Type, Code, 0:16, Rest/binary>> = Packet) ->
    Sum = lists:sum([Word || <<Word:16>> <= Packet]),
    Folded = (Sum band 16#ffff) + (Sum bsr 16),
    <<Type, Code, (bnot (Folded + (Folded bsr 16))):16, Rest/binary>>.

%% A raw socket sees the requests and answers of everybody.
-spec await_reply(domain(), gosocket:socket(), pos_integer(), binary(), integer()) -> float() | timeout | atom().
await_reply(Domain, S, Sequence, Cookie, Start) ->
    Elapsed = erlang:convert_time_unit(erlang:monotonic_time() - Start, native, millisecond),
    case gosocket:recv(S, 0, max(0, ?PATIENCE - Elapsed)) of
        {ok, Packet} ->
            case is_reply(Domain, Packet, Sequence, Cookie) of
                true -> erlang:convert_time_unit(erlang:monotonic_time() - Start, native, nanosecond) / 1000;
                false -> await_reply(Domain, S, Sequence, Cookie, Start)
            end;
        {error, Reason} ->
            Reason
    end.

%% Raw sockets of IPv4 receive the IP header as well (raw(7)).
-spec is_reply(domain(), binary(), pos_integer(), binary()) -> boolean().
is_reply(inet, <<4:4, Words:4, _/binary>> = Packet, Sequence, Cookie) when byte_size(Packet) > 4 * Words ->
    is_echo(?ICMP_REPLY, binary:part(Packet, 4 * Words, byte_size(Packet) - 4 * Words), Sequence, Cookie);
is_reply(inet, Packet, Sequence, Cookie) ->
    is_echo(?ICMP_REPLY, Packet, Sequence, Cookie);
is_reply(inet6, Packet, Sequence, Cookie) ->
    is_echo(?ICMPV6_REPLY, Packet, Sequence, Cookie).

-spec is_echo(byte(), binary(), pos_integer(), binary()) -> boolean().
is_echo(Type, <<Type, 0, _:16, _:16, Sequence:16, Cookie/binary>>, Sequence, Cookie) -> true;
is_echo(_, _, _, _) -> false.

-spec report(inet:ip_address(), pos_integer(), received()) -> 0 | 1.
report(Address, Count, []) ->
    io:format("~s: ~b sent, none answered~n", [inet:ntoa(Address), Count]),
    1;
report(Address, Count, Times) ->
    io:format("~s: ~b sent, ~b answered, round trip min/avg/max ~.3f/~.3f/~.3f ms~n",
              [inet:ntoa(Address), Count, length(Times)
              | [Time / 1000 || Time <- [lists:min(Times), lists:sum(Times) / length(Times), lists:max(Times)]]]),
    0.
